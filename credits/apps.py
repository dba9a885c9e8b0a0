from django.apps import AppConfig


class CreditsConfig(AppConfig):
    name = "credits"
    # Its API has scopes of its own: see kernel.tenants.scopes.
    is_ledger = True
