"""The APIs: the paths of each, and the dialect that writes the errors of these paths when no view does."""

from functools import cache
from importlib import import_module

from kernel.api.dialect import Dialect

# The first prefix that fits wins.
PREFIXES = {
    "/v1/billing": "billing",
    "/credit": "credits",
    "/v1/webhook-": "kernel.events",
    "/v1/event": "kernel.events",
    "/v1": "metering",
}
ROUTED = [f"{app}.api.urls" for app in dict.fromkeys(PREFIXES.values())]


def dialect_of(path: str) -> Dialect | None:
    """The dialect of errors at `path`; None outside the APIs."""
    app = next((app for prefix, app in PREFIXES.items() if path.startswith(prefix)), None)
    return _dialect(app) if app else None


@cache
def _dialect(app: str) -> Dialect:
    dialect: Dialect = import_module(f"{app}.api.dialect").dialect
    return dialect
