"""What the views of the metering API share."""

from datetime import UTC, datetime

from django.http import HttpResponse

from kernel.api.views import LedgerViewSet
from metering.api.dialect import dialect


class MeteringViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "metering"

    def final_reply(self, reply: HttpResponse, final_until: datetime | None) -> HttpResponse:
        """Say up to which moment of book time, itself included, the answer is complete; nothing where it is about the present."""
        if final_until is not None:
            reply.headers["Final-Until"] = final_until.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return reply
