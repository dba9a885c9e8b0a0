from django.apps import AppConfig


class MeteringConfig(AppConfig):
    name = "metering"
    # Its API has scopes of its own: see kernel.tenants.scopes.
    is_ledger = True
