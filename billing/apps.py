from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"
    # Its API has scopes of its own: see kernel.tenants.scopes.
    is_ledger = True
