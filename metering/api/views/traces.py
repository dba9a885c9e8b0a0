"""The views of traces."""

from decimal import Decimal
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from metering import selectors
from metering.api.filters import TraceQuery
from metering.api.serializers.spend import ListedTraceReply, TraceReply
from metering.api.views.base import MeteringViewSet

# Transactions in a trace's reply; the list of transactions has the others.
MAX_TRANSACTIONS = 100


class TraceViewSet(MeteringViewSet):
    @operation(summary="List traces", query=TraceQuery, reply=ListedTraceReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first. The transactions of one are listed with `filter[trace]`."""
        query = self.query(TraceQuery)
        rows = selectors.list_traces(tenant_id=self.caller.tenant_id, external_id=query["external_id"])
        return self.page(ListedTraceReply, rows, **{name: query[name] for name in ("limit", "after", "before")})

    @operation(summary="Read a trace", reply=TraceReply)
    def retrieve(self, request: HttpRequest, trace_id: UUID) -> HttpResponse:
        """What belongs together, and what it cost: the first 100 transactions in the order they happened, and the totals of all."""
        tenant_id = self.caller.tenant_id
        trace = selectors.get_trace(tenant_id=tenant_id, reference=trace_id)
        keys = {"tenant_id": tenant_id, "trace_id": trace["id"]}
        shown = (
            selectors.list_transactions(tenant_id=tenant_id).filter(trace_id=trace["id"]).order_by("created_at", "id")[:MAX_TRANSACTIONS]
        )
        spend = selectors.list_trace_totals(**keys)
        total = sum((row["amount"] for row in spend if row["currency"] == "USD"), Decimal(0))
        facts = {"transaction_count": selectors.count_trace_transactions(**keys), "total_active_cost_usd": total, "spend": spend}
        return self.reply(TraceReply, trace | facts | {"transactions": selectors.with_costs(shown)})
