"""The base class of this API's views."""

from typing import Any

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
