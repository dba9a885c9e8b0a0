"""Calls that record, complete or add to many transactions at once, each item for itself."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from kernel.api.batches import ItemOutcome, post_batch, with_keys
from kernel.api.schema import operation
from kernel.api.views import MAX_KEY_LENGTH
from metering import services
from metering.api.dialect import dialect
from metering.api.filters import BatchQuery
from metering.api.serializers.replies import AdditionReply, BatchReply, TransactionReply
from metering.api.serializers.requests import BatchItem, CompleteItem, CostItem, FactsItem
from metering.api.views.base import MeteringViewSet

# An item without a key of its own takes the batch's with `:` and its index, up to :999.
MAX_BATCH_KEY_LENGTH = MAX_KEY_LENGTH - 4
# What a short reply has of an item beside the transaction's id.
IDS = {"fact_id": "factId", "cost_id": "costId"}


class BatchViewSet(MeteringViewSet):
    @operation(summary="Record many transactions", body=BatchItem, many=True, query=BatchQuery, reply=BatchReply, idempotent=True)
    def batch(self, request: HttpRequest) -> HttpResponse:
        """Up to 1,000 transactions as a JSON array or newline-delimited JSON, gzip accepted. Each stands for itself: `data` has for each
        item, in order, its `index`, its `status` (201 or an error's), and its `id` and `transaction` or an `error`. An item with an
        `outcome` is a call that is over, as in the call for one.

        An item without an `idempotencyKey` takes the header's, of at most 251 characters, and its index: `K:0`, `K:1`. With
        `Prefer: return=minimal` or `reply=ids` the reply has ids and statuses only."""
        record = partial(services.record_transactions, checks_occurred_at=True)
        return self._post(BatchItem, record, argument="transactions", status=201, written=lambda row: row)

    @operation(
        summary="Complete many transactions",
        body=CompleteItem,
        many=True,
        query=BatchQuery,
        reply=BatchReply,
        idempotent=True,
    )
    def complete(self, request: HttpRequest) -> HttpResponse:
        """Up to 1,000 completions, each with its `transactionId`, in one statement. Form and keys are those of `/v1/transactions/batch`."""
        return self._post(
            CompleteItem, services.complete_transactions, argument="completions", status=200, written=lambda row: row["transaction"]
        )

    @operation(summary="Add many costs", body=CostItem, many=True, query=BatchQuery, reply=BatchReply, idempotent=True)
    def costs(self, request: HttpRequest) -> HttpResponse:
        """Up to 1,000 costs, each with its `transactionId`, in one statement. Form and keys are those of `/v1/transactions/batch`."""
        return self._post(CostItem, services.record_costs, argument="costs", status=201)

    @operation(summary="Add many facts", body=FactsItem, many=True, query=BatchQuery, reply=BatchReply, idempotent=True)
    def facts(self, request: HttpRequest) -> HttpResponse:
        """Up to 1,000 reports, each with its `transactionId`, in one statement. Form and keys are those of `/v1/transactions/batch`."""
        return self._post(FactsItem, services.record_facts, argument="reports", status=201)

    def _post(
        self,
        body: Any,
        service: Callable[..., Iterable[Any]],
        *,
        argument: str,
        status: int,
        written: Callable[[Any], Any] | None = None,
    ) -> HttpResponse:
        """Post the items by a service that takes them as `argument`, and gives for each Posted or its error.

        `written`: the transaction of a row, where a full reply has it.
        """
        is_short = self.query(BatchQuery)["reply"] == "ids"
        is_full = not (self.prefers_minimal() or is_short)
        items = with_keys(self.read_list(body), self.idempotency_key(at_most=MAX_BATCH_KEY_LENGTH))

        def post(readable: list[dict[str, Any]]) -> Iterable[Any]:
            return service(**self.audit_context(), **{argument: readable}, with_rows=is_full)

        outcome = post_batch(items, post=post, aborted="invalid")
        write = partial(self._item, status=status, is_full=is_full)
        has_transactions = is_full and written is not None
        return self.batch_reply(TransactionReply, outcome, prepare=written, is_full=has_transactions, write=write)

    def _item(self, item: ItemOutcome, row: Any, *, status: int, is_full: bool) -> dict[str, Any]:
        body: dict[str, Any] = dialect.batch_item(item, row, status=status)
        if is_full:
            return body | AdditionReply.plain(item.row)
        if (transaction_status := item.row.get("status")) is not None:
            body["transactionStatus"] = transaction_status
        for name, wire_name in IDS.items():
            if (value := item.row.get(name)) is not None:
                body[wire_name] = str(value)
        return body
