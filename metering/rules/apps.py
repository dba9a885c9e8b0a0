from django.apps import AppConfig


class RulesConfig(AppConfig):
    name = "metering.rules"
    label = "rules"
    # Its calls have scopes of their own: a key that may only meter can't change the limits it runs under.
    is_ledger = True
