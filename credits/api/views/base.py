"""The base class of this API's views, and how rows are prepared for replies."""

from typing import Any

from credits import selectors
from credits.api.dialect import dialect
from kernel.api.views import LedgerViewSet


class CreditsViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "credits"


def to_grant_reply(row: dict[str, Any]) -> dict[str, Any]:
    """A grant's row for its reply. Grants aren't synchronized with other systems, so `integration_ids` is empty."""
    return {**selectors.with_unit(row), "integration_ids": []}


def without_blanks(row: dict[str, Any]) -> dict[str, Any]:
    """Drops empty strings: in the table they mean that the field was not sent, and the API omits absent fields."""
    return {name: value for name, value in row.items() if value != ""}
