"""The views of transactions, their costs, facts and history: each reads its request, calls a service or selector, and replies."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kernel.api.schema import operation
from kernel.ledger.moments import END_OF_MOMENTS
from metering import selectors
from metering.api.filters import TransactionQuery, book_time_range
from metering.api.serializers.authorization import ReauthorizedReply, ReauthorizeRequest, SingleTransactionReply
from metering.api.serializers.payments import PaymentsReply
from metering.api.serializers.replies import (
    CompletedReply,
    CostReply,
    CostsReply,
    CreatedReply,
    FactListReply,
    FactsReply,
    HistoryReply,
    TransactionReply,
)
from metering.api.serializers.requests import CancelRequest, CompleteRequest, CostRequest, FactsRequest, TransactionRequest
from metering.api.views.base import MeteringViewSet
from metering.paying.selectors import list_payments, with_payload
from metering.rules.selectors import executions
from metering.rules.selectors.definitions import narrow_to_rule
from metering.services import (
    cancel_transaction,
    complete_transaction,
    reauthorize_transaction,
    record_and_pay,
    record_cost,
    record_fact,
    record_transaction,
)

USD = "USD"


class TransactionViewSet(MeteringViewSet):
    def change_arguments(self, transaction_id: UUID) -> dict[str, Any]:
        """The arguments that every change of a transaction takes: who changes which one, and under which key."""
        return self.audit_context() | {"transaction_id": transaction_id, "idempotency_key": self.idempotency_key()}

    @operation(
        summary="Record a transaction",
        body=TransactionRequest,
        reply=CreatedReply,
        status=201,
        refuses=("idempotency_conflict", "invalid_value", "no_payable_option"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Records the use of a service with its estimated costs, and decides in the same call whether it may go ahead: a denial is a
        transaction with the status `denied`, not an error.

        With an `outcome` the call is over: it is recorded whole, as completed, with what its `responseFacts` cost. With `paymentData` that
        is the body of a `reauthorize` call, `{"x402": ...}`, it is also paid; where it can't be, nothing is recorded."""
        body = self.read(TransactionRequest)
        facts = {**self.audit_context(), "idempotency_key": self.idempotency_key(), "checks_occurred_at": True, **body}
        if (challenge := ReauthorizeRequest.within_create(body)) is not None:
            recorded = record_and_pay(**facts, challenge=challenge)
        else:
            recorded = record_transaction(**facts)
        return self.reply(CreatedReply, recorded.row, status=201, replayed=recorded.replayed)

    @operation(summary="List transactions", query=TransactionQuery, reply=TransactionReply, paged=True, reads_past=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first, by the time of recording, or by `occurredAt`: `sort=-occurred_at`. With `filter[to_date]` the answer waits for
        postings in flight and never changes; the header `Final-Until` says up to which moment it is complete. With
        `filter[occurred_to]` it waits for all of them: what is recorded later may have happened earlier."""
        query = self.query(TransactionQuery)
        names = ("status", "service", "trace", "customer", "occurred_since", "occurred_until")
        conditions = {name: query[name] for name in names} | {"agent_id": query["agent"]}
        tenant_id, until = self.caller.tenant_id, query["until"]
        final_until = self.wait_for_past(until or (END_OF_MOMENTS if query["occurred_until"] else None))
        rows = selectors.list_transactions(
            tenant_id=tenant_id, **conditions, **book_time_range(query, now=timezone.now()), final_until=final_until
        )
        rows = narrow_to_rule(rows, tenant_id=tenant_id, reference=query["rule"])
        place = {name: query[name] for name in ("limit", "after", "before")}
        is_descending = query["sort"].startswith("-")
        key = (query["sort"].removeprefix("-"), "id")
        return self.page(TransactionReply, rows, key=key, descending=is_descending, written=selectors.with_costs, **place)

    @operation(summary="Read a transaction", reply=SingleTransactionReply)
    def retrieve(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """One transaction with its costs, superseded ones included, and with the rounds in which it asked for authorization: what each
        spending rule said, and for a denial how much was used and when the same call would pass."""
        tenant_id = self.caller.tenant_id
        row = selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id)
        rounds = executions.list_requests(tenant_id=tenant_id, transaction=row)
        return self.reply(SingleTransactionReply, with_payload(row) | {"authorization_requests": rounds})

    @operation(
        summary="Pay what a resource asks for",
        body=ReauthorizeRequest,
        reply=ReauthorizedReply,
        refuses=("must_be_authorized", "no_payable_option", "payment_in_progress", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def reauthorize(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """A resource answered 402: the spending rules decide on the first option of its challenge that can be paid, and its amount is held,
        of credits first and the wallet next. `payment.authorizationPayload` is what to send to the resource.

        A denial, by a rule or because the money isn't there, is a transaction with the status `denied`, not an error. The same challenge
        again is answered with the same payment; another one takes its place, until the resource has seen it."""
        done = reauthorize_transaction(**self.change_arguments(transaction_id), **self.read(ReauthorizeRequest))
        return self.reply(ReauthorizedReply, done.row, replayed=done.replayed)

    @operation(
        summary="Complete a transaction",
        body=CompleteRequest,
        reply=CompletedReply,
        refuses=("wrong_status", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def complete(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Ends an authorized transaction with its outcome. Where a price is known for the response facts, their cost supersedes the
        estimate."""
        completed = complete_transaction(**self.change_arguments(transaction_id), **self.read(CompleteRequest))
        return self.reply(CompletedReply, completed.row, replayed=completed.replayed)

    @operation(
        summary="Cancel a transaction",
        body=CancelRequest,
        reply=TransactionReply,
        refuses=("wrong_status", "payment_presented", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def cancel(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Ends a transaction that will not be completed."""
        moved = cancel_transaction(**self.change_arguments(transaction_id), reason=self.read(CancelRequest)["reason"] or "")
        return self.reply(TransactionReply, moved.row, replayed=moved.replayed)

    @operation(summary="List a transaction's costs", reply=CostsReply)
    def costs(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Every cost of a transaction, superseded ones too, and the sum of the active ones in USD."""
        found = selectors.list_costs(tenant_id=self.caller.tenant_id, transaction_id=transaction_id)
        return self.reply(CostsReply, {"costs": found, "total_active_cost_usd": selectors.total_active(found, currency=USD)})

    @operation(
        summary="Add a cost",
        body=CostRequest,
        reply=CostReply,
        status=201,
        refuses=("not_open", "cost_of_another", "cost_of_payment", "already_superseded", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def add_cost(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Adds a cost, in place of an earlier one where `supersedesCostId` is given."""
        posted = record_cost(**self.change_arguments(transaction_id), **self.read(CostRequest))
        return self.reply(CostReply, posted.row["cost"], status=201, replayed=posted.replayed)

    @operation(summary="List a transaction's payments", reply=PaymentsReply)
    def payments(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """What was held for a transaction and what was taken, with the parts in credits and in the wallet."""
        keys = {"tenant_id": self.caller.tenant_id, "transaction_id": transaction_id}
        found = list_payments(**keys)
        if not found:
            selectors.check_exists(**keys)
        return self.reply(PaymentsReply, {"payments": found})

    @operation(summary="List a transaction's facts", reply=FactListReply)
    def facts(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """What integrations reported of a transaction, and what each report came to as a cost."""
        found = selectors.list_facts(tenant_id=self.caller.tenant_id, transaction_id=transaction_id)
        return self.reply(FactListReply, {"facts": found})

    @operation(
        summary="Add facts",
        body=FactsRequest,
        reply=FactsReply,
        status=201,
        refuses=("not_open", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def add_facts(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Records what an integration found out. `pricing` says whether it became a cost, which then supersedes the estimate."""
        reported = record_fact(**self.change_arguments(transaction_id), **self.read(FactsRequest))
        return self.reply(FactsReply, reported.row, status=201, replayed=reported.replayed)

    @operation(summary="Read a transaction's history", reply=HistoryReply)
    def history(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Each step of the transaction's life: who moved it, when and why."""
        found = selectors.list_status_changes(tenant_id=self.caller.tenant_id, transaction_id=transaction_id)
        return self.reply(HistoryReply, {"history": found})
