"""The scopes of API keys: reading and writing each ledger, and those of other APIs."""

from django.apps import apps

RIGHTS = ("read", "write")


def all_scopes() -> tuple[str, ...]:
    """Every scope, such as "billing:read".

    An app whose AppConfig says `is_ledger = True` has a scope for reading and one for writing; others name their own in `api_scopes`.
    """
    return tuple(scope for config in apps.get_app_configs() for scope in _scopes_of(config))


def _scopes_of(config: object) -> tuple[str, ...]:
    if getattr(config, "is_ledger", False):
        return tuple(f"{config.label}:{right}" for right in RIGHTS)  # type: ignore[attr-defined]
    own: tuple[str, ...] = getattr(config, "api_scopes", ())
    return own
