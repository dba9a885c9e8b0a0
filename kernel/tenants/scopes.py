"""The scopes of API keys: reading and writing each ledger."""

from django.apps import apps

RIGHTS = ("read", "write")


def all_scopes() -> tuple[str, ...]:
    """Every scope, such as "billing:read". An app has scopes if its AppConfig says `is_ledger = True`."""
    ledgers = [config.label for config in apps.get_app_configs() if getattr(config, "is_ledger", False)]
    return tuple(f"{ledger}:{right}" for ledger in ledgers for right in RIGHTS)
