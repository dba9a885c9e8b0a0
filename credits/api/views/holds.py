"""/credits/{customerId}/holds"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from credits import selectors, services
from credits.api.dialect import without_blanks
from credits.api.filters import HoldQuery
from credits.api.serializers.holds import CaptureRequest, ExtensionRequest, HoldReply, HoldRequest, ReleaseRequest
from credits.api.views.base import CreditsViewSet
from credits.choices import HoldCallKind
from kernel.api.schema import operation


def hold_rows(holds: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A page's holds as HoldReply reads them, with their lines."""
    return map(without_blanks, selectors.with_lines(holds))


class HoldViewSet(CreditsViewSet):
    @operation(
        summary="Reserve an amount across a customer's grants",
        body=HoldRequest,
        reply=HoldReply,
        status=201,
        refuses=("insufficient_credit", "idempotency_conflict", "invalid_value"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Reserves an amount across the customer's grants, in burn-down order.

        What is reserved can't be debited, drawn or reserved again until the hold is released or `expiresAt` is past.
        """
        body = self.read(HoldRequest)
        posted = services.place_hold(**self.audit_context(), customer_id=customer_id, idempotency_key=self.idempotency_key(), **body)
        if posted.replayed:
            first = selectors.hold_as_placed(self._row(customer_id, posted.row.id), expires_at=body["expires_at"])
            return self._reply(first, status=201, replayed=True)
        return self._hold(customer_id, posted.row.id, status=201)

    @operation(summary="List a customer's holds", query=HoldQuery, reply=HoldReply, paged=True)
    def list(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Returns the customer's holds, newest first. An overdue hold counts as expired."""
        query = self.query(HoldQuery)
        rows = selectors.list_holds(tenant_id=self.caller.tenant_id, customer_id=customer_id, status=query.pop("status"))
        return self.page(
            HoldReply,
            rows,
            key=("created_at", "id"),
            written=hold_rows,
            **query,
        )

    @operation(summary="Get a hold", reply=HoldReply)
    def retrieve(self, request: HttpRequest, customer_id: str, hold_id: UUID) -> HttpResponse:
        """Returns one hold, with what it reserves of each grant."""
        return self._hold(customer_id, hold_id)

    @operation(
        summary="Capture a hold",
        body=CaptureRequest,
        reply=HoldReply,
        refuses=("hold_closed", "hold_exceeded", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def capture(self, request: HttpRequest, customer_id: str, hold_id: UUID) -> HttpResponse:
        """Debits what the hold reserves, or `amount` of it, and releases the rest; with `final` false the rest stays reserved.

        A final capture happens once, and repeating it changes nothing. One that isn't final needs an Idempotency-Key.
        """
        body, key = self.read(CaptureRequest), self.idempotency_key()
        posted = services.capture_hold(**self.audit_context(), customer_id=customer_id, hold_id=hold_id, idempotency_key=key, **body)
        return self._after(customer_id, hold_id, HoldCallKind.CAPTURED, key, replayed=posted.replayed)

    @operation(
        summary="Extend a hold",
        body=ExtensionRequest,
        reply=HoldReply,
        refuses=("hold_closed", "idempotency_conflict", "invalid_value"),
        idempotent=True,
        replays=True,
    )
    def extend(self, request: HttpRequest, customer_id: str, hold_id: UUID) -> HttpResponse:
        """Gives the hold a later `expiresAt`, within the tenant's longest time for a hold. Needs an Idempotency-Key."""
        body, key = self.read(ExtensionRequest), self.idempotency_key()
        posted = services.extend_hold(**self.audit_context(), customer_id=customer_id, hold_id=hold_id, idempotency_key=key, **body)
        return self._after(customer_id, hold_id, HoldCallKind.EXTENDED, key, replayed=posted.replayed)

    @operation(
        summary="Release a hold",
        body=ReleaseRequest,
        reply=HoldReply,
        refuses=("hold_closed", "idempotency_conflict"),
        replays=True,
    )
    def release(self, request: HttpRequest, customer_id: str, hold_id: UUID) -> HttpResponse:
        """Releases what the hold reserves. Repeating the call changes nothing."""
        body = self.read(ReleaseRequest)
        posted = services.release_hold(**self.audit_context(), customer_id=customer_id, hold_id=hold_id, **body)
        return self._hold(customer_id, hold_id, replayed=posted.replayed)

    def _hold(self, customer_id: str, hold_id: UUID, *, status: int = 200, replayed: bool = False) -> HttpResponse:
        return self._reply(self._row(customer_id, hold_id), status=status, replayed=replayed)

    def _after(self, customer_id: str, hold_id: UUID, kind: str, key: str | None, *, replayed: bool) -> HttpResponse:
        """A repeated call gets the first reply, whatever became of the hold since."""
        row = selectors.hold_after_call(self._row(customer_id, hold_id), tenant_id=self.caller.tenant_id, kind=kind, idempotency_key=key)
        return self._reply(row, status=200, replayed=replayed)

    def _row(self, customer_id: str, hold_id: UUID) -> dict[str, Any]:
        hold = selectors.get_hold(tenant_id=self.caller.tenant_id, customer_id=customer_id, hold_id=hold_id)
        return selectors.with_lines([hold])[0]

    def _reply(self, row: dict[str, Any], *, status: int, replayed: bool) -> HttpResponse:
        return self.reply(HoldReply, without_blanks(row), status=status, replayed=replayed)
