"""The billing API: parse, call, answer."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from billing import selectors, services
from billing.api.dialect import dialect
from billing.api.filters import TransactionQuery
from billing.api.serializers import ReversalRequest, TransactionReply, TransactionRequest
from kernel.wire.schema import operation
from kernel.wire.views import LedgerViewSet


class TransactionViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "billing"

    @operation(
        summary="Record Transaction",
        body=TransactionRequest,
        reply=TransactionReply,
        refuses=("insufficient", "idempotency_conflict", "out_of_range"),
        replays=True,
    )
    def create(self, request: Request) -> HttpResponse:
        """Record a transaction"""
        body = self.read(TransactionRequest)
        row = services.record_transaction(**self.who(), **body)
        return self.reply(TransactionReply, row, replayed=row.outcome == "replayed")

    @operation(summary="List Transactions", query=TransactionQuery, reply=TransactionReply, paged=True)
    def list(self, request: Request) -> HttpResponse:
        """Newest first, by the time they were booked."""
        query = self.query(TransactionQuery)
        limit, cursor = query.pop("limit"), query.pop("cursor")
        rows = selectors.list_transactions(tenant_id=self.caller.tenant_id, filters=query)
        return self.page(TransactionReply, rows, limit=limit, after=cursor, key=("created_at", "id"))

    @operation(summary="Get Transaction", reply=TransactionReply)
    def retrieve(self, request: Request, transaction_id: UUID) -> HttpResponse:
        """One entry; its reversals show in reversed_amount and reversed_by."""
        row = selectors.get_transaction(tenant_id=self.caller.tenant_id, transaction_id=transaction_id)
        return self.reply(TransactionReply, row)

    @operation(
        summary="Reverse Transaction",
        body=ReversalRequest,
        reply=TransactionReply,
        refuses=("insufficient", "idempotency_conflict", "already_reversed", "not_reversible", "exceeds_original"),
        replays=True,
    )
    def reverse(self, request: Request, transaction_id: UUID) -> HttpResponse:
        """Take a transaction back, whole or in parts; the reply is the reversing entry."""
        body: dict[str, Any] = self.read(ReversalRequest)
        row = services.reverse_transaction(**self.who(), transaction_id=transaction_id, **body)
        return self.reply(TransactionReply, row, replayed=row.outcome == "replayed")
