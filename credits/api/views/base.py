"""The base class of this API's views, and how rows are prepared for replies."""

from typing import Any

from credits import selectors
from credits.api.dialect import dialect
from kernel.api.views import LedgerViewSet
from kernel.ledger.clocks import Clock
from kernel.ledger.moments import END_OF_MOMENTS


class CreditsViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "credits"

    def past_arguments(self, query: dict[str, Any]) -> dict[str, Any]:
        """The arguments `at` and `clock` of a selector, once no posting in flight can change the answer."""
        at, clock = query["at"], query["clock"]
        if at is not None:
            final_until = self.wait_for_past(at if clock == Clock.BOOK else END_OF_MOMENTS)
            at = min(at, final_until)
        return {"at": at, "clock": clock}


def to_grant_reply(row: dict[str, Any]) -> dict[str, Any]:
    """A grant's row for its reply. Grants aren't synchronized with other systems, so `integration_ids` is empty."""
    return {**selectors.with_unit(row), "integration_ids": []}


def without_blanks(row: dict[str, Any]) -> dict[str, Any]:
    """Drops empty strings: in the table they mean that the field was not sent, and the API omits absent fields."""
    return {name: value for name, value in row.items() if value != ""}
