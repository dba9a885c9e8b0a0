"""Reads of traces."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, Q, QuerySet, Sum

from kernel.ledger.errors import NotFound
from metering.models import Cost, Trace, Transaction
from metering.selectors.rows import RowDict, rows_of

# The first calls of each trace, read from one index.
FIRST_CALLS = """
SELECT trace.id AS trace_id, call.id, call.customer_id, agent.label AS agent
FROM unnest(%(tenants)s::uuid[], %(traces)s::uuid[]) AS trace (tenant_id, id)
CROSS JOIN LATERAL (
    SELECT its.id, its.customer_id, its.agent_id FROM metering_transaction AS its
    WHERE its.tenant_id = trace.tenant_id AND its.trace_id = trace.id
    ORDER BY its.created_at, its.id LIMIT %(limit)s
) AS call
LEFT JOIN metering_agent AS agent ON agent.tenant_id = trace.tenant_id AND agent.id = call.agent_id
"""


def get_trace(*, tenant_id: UUID, reference: UUID) -> RowDict:
    """A trace by the UUID its callers know. Raises NotFound."""
    found: Any = (
        Trace.objects.filter(tenant_id=tenant_id, reference=reference).values("id", "reference", "external_id", "created_at").first()
    )
    if found is None:
        raise NotFound(kind="trace", id=reference)
    return found


def list_traces(*, tenant_id: UUID, external_id: str | None = None) -> QuerySet[Any, Any]:
    """The tenant's traces."""
    conditions = Q(tenant_id=tenant_id) if external_id is None else Q(tenant_id=tenant_id, external_id=external_id)
    found: QuerySet[Any, Any] = Trace.objects.filter(conditions).values("id", "reference", "external_id", "created_at")
    return found


def list_trace_totals(*, tenant_id: UUID, trace_id: UUID) -> list[RowDict]:
    """The sums of the active costs of a trace's transactions, by currency."""
    active = Cost.objects.filter(tenant_id=tenant_id, is_active=True, transaction__tenant_id=tenant_id, transaction__trace_id=trace_id)
    sums = {"costs": Count("id"), "amount": Sum("fiat_amount"), "estimated": Sum("fiat_amount", filter=Q(is_estimate=True), default=0)}
    found = rows_of(active.values(currency=F("fiat_asset_symbol")).order_by("currency").annotate(**sums))
    return [row | {"actual": row["amount"] - row["estimated"]} for row in found]


def count_trace_transactions(*, tenant_id: UUID, trace_id: UUID) -> int:
    """How many transactions a trace has."""
    return Transaction.objects.filter(tenant_id=tenant_id, trace_id=trace_id).count()


def list_first_calls(traces: Sequence[Trace], *, limit: int) -> dict[UUID, list[RowDict]]:
    """By the trace's id, at most `limit` of its calls in the order in which they were booked: `id`, `customer_id`, `agent`."""
    found: dict[UUID, list[RowDict]] = {trace.pk: [] for trace in traces}
    tenants, ids = [trace.tenant_id for trace in traces], [trace.pk for trace in traces]
    with connection.cursor() as cursor:
        cursor.execute(FIRST_CALLS, {"tenants": tenants, "traces": ids, "limit": limit})
        for trace_id, *call in cursor.fetchall():
            found[trace_id].append(dict(zip(("id", "customer_id", "agent"), call, strict=True)))
    return found
