"""/credits/{customerId}/holds"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from credits import selectors, services
from credits.api import serializers as shapes
from credits.api.filters import HoldQuery
from credits.api.views.base import CreditsViewSet, without_blanks
from kernel.api.schema import operation


def written(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of a page of holds."""
    return map(without_blanks, selectors.with_lines(found))


class HoldViewSet(CreditsViewSet):
    @operation(
        summary="Reserve an amount across a customer's grants",
        body=shapes.HoldRequest,
        reply=shapes.HoldReply,
        status=201,
        refuses=("insufficient_credit", "idempotency_conflict", "invalid_value"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """In burn-down order. What is held can't be debited, consumed or held again until it is released or its time is over."""
        body = self.read(shapes.HoldRequest)
        row = services.place_hold(**self.audit_context(), customer_id=customer_id, idempotency_key=self.idempotency_key(), **body)
        if row.outcome == "replayed":
            return self._reply(selectors.hold_as_placed(self._row(customer_id, row.id)), status=201, replayed=True)
        return self._hold(customer_id, row.id, status=201)

    @operation(summary="List a customer's holds", query=HoldQuery, reply=shapes.HoldReply, paged=True)
    def list(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Newest first."""
        query = self.query(HoldQuery)
        rows = selectors.list_holds(tenant_id=self.caller.tenant_id, customer_id=customer_id, status=query.pop("status"))
        return self.page(
            shapes.HoldReply,
            rows,
            key=("created_at", "id"),
            written=lambda found: map(without_blanks, selectors.with_lines(found)),
            **query,
        )

    @operation(summary="Get a hold", reply=shapes.HoldReply)
    def retrieve(self, request: HttpRequest, customer_id: str, hold_id: UUID) -> HttpResponse:
        """One hold, with what it reserves on each grant."""
        return self._hold(customer_id, hold_id)

    @operation(
        summary="Capture a hold",
        body=shapes.CaptureRequest,
        reply=shapes.HoldReply,
        refuses=("hold_closed", "hold_exceeded", "idempotency_conflict"),
        replays=True,
    )
    def capture(self, request: HttpRequest, customer_id: str, hold_id: UUID) -> HttpResponse:
        """Debits what is reserved, or part of it; the rest is released. Once: the same again changes nothing."""
        body = self.read(shapes.CaptureRequest)
        row = services.capture_hold(**self.audit_context(), customer_id=customer_id, hold_id=hold_id, **body)
        return self._hold(customer_id, hold_id, replayed=row.outcome == "replayed")

    @operation(
        summary="Release a hold",
        body=shapes.ReleaseRequest,
        reply=shapes.HoldReply,
        refuses=("hold_closed", "idempotency_conflict"),
        replays=True,
    )
    def release(self, request: HttpRequest, customer_id: str, hold_id: UUID) -> HttpResponse:
        """Lets go of what is reserved. The same again changes nothing."""
        body = self.read(shapes.ReleaseRequest)
        row = services.release_hold(**self.audit_context(), customer_id=customer_id, hold_id=hold_id, **body)
        return self._hold(customer_id, hold_id, replayed=row.outcome == "replayed")

    def _hold(self, customer_id: str, hold_id: UUID, *, status: int = 200, replayed: bool = False) -> HttpResponse:
        return self._reply(self._row(customer_id, hold_id), status=status, replayed=replayed)

    def _row(self, customer_id: str, hold_id: UUID) -> dict[str, Any]:
        hold = selectors.get_hold(tenant_id=self.caller.tenant_id, customer_id=customer_id, hold_id=hold_id)
        return selectors.with_lines([hold])[0]

    def _reply(self, row: dict[str, Any], *, status: int, replayed: bool) -> HttpResponse:
        return self.reply(shapes.HoldReply, without_blanks(row), status=status, replayed=replayed)
