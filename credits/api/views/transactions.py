"""/credit-transactions"""

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from credits import selectors, services
from credits.api.dialect import without_blanks
from credits.api.filters import BatchQuery, TransactionQuery
from credits.api.serializers.transactions import BatchReply, BatchRequest, ReversalRequest, TransactionReply, TransactionRequest
from credits.api.views.base import CreditsViewSet
from kernel.api.batches import post_batch, with_keys
from kernel.api.problems import FieldProblem, Invalid
from kernel.api.schema import operation

POSTING_REFUSALS = (
    "grant_not_found",
    "grant_voided",
    "grant_not_yet_effective",
    "grant_expired",
    "insufficient_credit",
    "more_than_taken",
    "idempotency_conflict",
)


class TransactionViewSet(CreditsViewSet):
    requires_on_behalf_of = frozenset({"create"})

    @operation(
        summary="Create a credit transaction",
        body=TransactionRequest,
        reply=TransactionReply,
        status=201,
        refuses=POSTING_REFUSALS,
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Debits or credits one grant. Without an Idempotency-Key, the same request sent again is another transaction."""
        body = self.read(TransactionRequest)
        posted = services.record_transaction(**self.audit_context(), idempotency_key=self.idempotency_key(), **body)
        return self.reply(TransactionReply, without_blanks(posted.row._asdict()), status=201, replayed=posted.replayed)

    @operation(summary="List credit transactions", query=TransactionQuery, reply=TransactionReply, paged=True, reads_past=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Returns the tenant's transactions, newest first."""
        query = self.query(TransactionQuery)
        page = {name: query.pop(name) for name in ("limit", "after", "before")}
        query["until"] = self.wait_for_past(query["until"])
        rows = selectors.list_transactions(tenant_id=self.caller.tenant_id, **query)
        return self.page(TransactionReply, rows, key=("created_at", "id"), written=lambda rows: map(without_blanks, rows), **page)

    @operation(summary="Get a credit transaction", reply=TransactionReply)
    def retrieve(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Returns one transaction, with its number on its grant and the grant's balance after it."""
        row = selectors.get_transaction(tenant_id=self.caller.tenant_id, transaction_id=transaction_id)
        return self.reply(TransactionReply, without_blanks(row))

    @operation(
        summary="Reverse a credit transaction",
        body=ReversalRequest,
        reply=TransactionReply,
        status=201,
        refuses=(*POSTING_REFUSALS, "already_reversed", "not_reversible", "exceeds_original"),
        idempotent=True,
        replays=True,
    )
    def reverse(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Reverses a transaction, wholly or in parts, by other transactions that name it. The transaction itself never changes."""
        body, key = self.read(ReversalRequest), self.idempotency_key()
        if body["amount"] is not None and key is None:
            raise Invalid([FieldProblem(("Idempotency-Key",), "missing")], place="header")
        posted = services.reverse_transaction(**self.audit_context(), transaction_id=transaction_id, idempotency_key=key, **body)
        return self.reply(TransactionReply, without_blanks(posted.row._asdict()), status=201, replayed=posted.replayed)

    @operation(
        summary="Create many credit transactions",
        body=BatchRequest,
        query=BatchQuery,
        reply=BatchReply,
        idempotent=True,
    )
    def batch(self, request: HttpRequest) -> HttpResponse:
        """Creates up to 1,000 transactions. Returns an outcome for each item, in their order.

        An item without an idempotencyKey gets the one of the header with its index: `key:0`, `key:1`.
        """
        body = self.read(BatchRequest)
        is_atomic = body["atomic"] or self.query(BatchQuery)["atomic"]
        outcome = post_batch(
            with_keys(body["items"], self.idempotency_key()),
            post=lambda items: services.record_transactions(**self.audit_context(), transactions=items, atomic=is_atomic),
            aborted="batch_aborted",
            is_atomic=is_atomic,
        )
        return self.batch_reply(TransactionReply, outcome, prepare=lambda row: without_blanks(row._asdict()))
