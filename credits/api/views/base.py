"""What the views of this API share: whose words they speak, and how rows are told."""

from typing import Any

from credits import selectors
from credits.api.dialect import dialect
from kernel.api.views import LedgerViewSet


class CreditsViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "credits"


def granted(row: dict[str, Any]) -> dict[str, Any]:
    """A grant as it is told. No other system knows our grants, so their ids there are none."""
    return {**selectors.with_unit(row), "integration_ids": []}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A transaction as it is told: what the caller left out is left out again."""
    return {name: value for name, value in row.items() if value != ""}
