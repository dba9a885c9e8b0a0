"""What the views of this API share: the dialect, and the form in which rows go into replies."""

from typing import Any

from credits import selectors
from credits.api.dialect import dialect
from kernel.api.views import LedgerViewSet


class CreditsViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "credits"


def to_grant_reply(row: dict[str, Any]) -> dict[str, Any]:
    """A grant's row for its reply. No other system knows our grants, so `integration_ids` is empty."""
    return {**selectors.with_unit(row), "integration_ids": []}


def without_blanks(row: dict[str, Any]) -> dict[str, Any]:
    """Drops empty strings: in the table they mean "not given", and the API omits absent fields."""
    return {name: value for name, value in row.items() if value != ""}
