"""Reads of transactions and of the steps of their status."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from kernel.ledger.errors import NotFound
from kernel.ledger.prepared_queries import is_one_of, prepared
from metering.choices import Status
from metering.models import Policy, Service, StatusChange, Trace, Transaction
from metering.selectors.agents import AGENT
from metering.selectors.costs import costs_of
from metering.selectors.payments import current_payment, list_current_payments
from metering.selectors.rows import RowDict, check_exists, rows_of

TRANSACTION = (
    "id",
    "tenant_id",
    "action_name",
    "resource_name",
    "service_id",
    "service__name",
    "status",
    "outcome",
    "decline_reason",
    "requires_payment",
    "qualifiers",
    "metadata",
    "customer_id",
    "round",
    "occurred_at",
    "created_at",
    "updated_at",
    "preparing_at",
    "authorized_at",
    "denied_at",
    "cancelled_at",
    "completed_at",
    "trace__reference",
    "trace__external_id",
    "actor",
    "agent_id",
    *(f"agent__{name}" for name in AGENT[2:]),
)


def service_id_of(*, tenant_id: UUID, name: str) -> QuerySet[Any, Any]:
    """A subquery for a service's id. A join would let the planner read the whole ledger for a service that is seldom used."""
    ids: QuerySet[Any, Any] = Service.objects.filter(tenant_id=tenant_id, name=name).values("id")[:1]
    return ids


def list_transactions(
    *,
    tenant_id: UUID,
    status: str | None = None,
    service: str | None = None,
    agent_id: UUID | None = None,
    trace: UUID | None = None,
    customer: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    occurred_since: datetime | None = None,
    occurred_until: datetime | None = None,
    final_until: datetime | None = None,
) -> QuerySet[Any, Any]:
    """The tenant's transactions by book time, from `since` (included) to `until` (excluded), and by world time, from `occurred_since` to
    `occurred_until`; `with_costs` completes a page of them.

    `final_until`: from past_reads.wait_for_postings_before; what was recorded after it is left out, so that the answer never changes.
    """
    asked: dict[str, Any] = {
        "status": status,
        "agent_id": agent_id,
        "customer_id": customer,
        "created_at__gte": since,
        "created_at__lt": until,
        "occurred_at__gte": occurred_since,
        "occurred_at__lt": occurred_until,
        "created_at__lte": final_until,
    }
    conditions = Q(tenant_id=tenant_id, **{name: value for name, value in asked.items() if value is not None})
    if service is not None:
        conditions &= Q(service=service_id_of(tenant_id=tenant_id, name=service))
    if trace is not None:
        conditions &= Q(trace=Trace.objects.filter(tenant_id=tenant_id, reference=trace).values("id")[:1])
    found: QuerySet[Any, Any] = Transaction.objects.filter(conditions).values(*TRANSACTION)
    return found


def with_costs(rows: Iterable[RowDict]) -> list[RowDict]:
    """Full transactions with agent, trace and all their costs: one query, however many they are."""
    rows = list(rows)
    if not rows:
        return []
    tenant_id = rows[0]["tenant_id"]
    costs: dict[UUID, list[RowDict]] = {row["id"]: [] for row in rows}
    for cost in costs_of(tenant_id=tenant_id, transaction_ids=list(costs)):
        costs[cost["transaction_id"]].append(cost)
    payments = list_current_payments(tenant_id=tenant_id, ids=[row["id"] for row in rows if row["requires_payment"]])
    return [_with_relations(row, costs=costs[row["id"]]) | current_payment(payments.get(row["id"])) for row in rows]


def _with_relations(row: RowDict, *, costs: list[RowDict]) -> RowDict:
    """A transaction's row with its agent, trace and costs as rows of their own."""
    agent = None
    if row["agent_id"] is not None:
        agent = {"id": row["agent_id"], "tenant_id": row["tenant_id"]} | {name: row[f"agent__{name}"] for name in AGENT[2:]}
    return row | {
        "service_name": row["service__name"],
        "agent": agent,
        "trace_id": row["trace__reference"],
        "trace": {"id": row["trace__reference"], "external_id": row["trace__external_id"]},
        "costs": costs,
    }


def get_transaction(*, tenant_id: UUID, transaction_id: UUID) -> RowDict:
    """One transaction with its costs, request_facts and payment_data, in two queries. Raises NotFound."""
    rows = with_costs(_transaction_with_documents(tenant_id=tenant_id, transaction_id=transaction_id))
    if not rows:
        raise NotFound(kind="transaction", id=transaction_id)
    return rows[0]


@prepared
def _transaction_with_documents(*, tenant_id: Any, transaction_id: Any) -> QuerySet[Any, Any]:
    return (
        Transaction.objects.filter(tenant_id=tenant_id, id=transaction_id).order_by().values(*TRANSACTION, "request_facts", "payment_data")
    )


def get_transactions(*, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, RowDict]:
    """The transactions of these ids that there are, by id, in two queries."""
    return {row["id"]: row for row in with_costs(_transactions(tenant_id=tenant_id, ids=list(ids)))}


@prepared
def _transactions(*, tenant_id: Any, ids: Any) -> QuerySet[Any, Any]:
    return Transaction.objects.filter(is_one_of("id", ids), tenant_id=tenant_id).order_by().values(*TRANSACTION)


def list_status_changes(*, tenant_id: UUID, transaction_id: UUID) -> list[RowDict]:
    """The steps of a transaction's status, oldest first. Raises NotFound."""
    found = _status_changes(tenant_id=tenant_id, transaction_id=transaction_id)
    if not found:
        check_exists(tenant_id=tenant_id, transaction_id=transaction_id)
    return found


@prepared
def _status_changes(*, tenant_id: Any, transaction_id: Any) -> QuerySet[Any, Any]:
    found = StatusChange.objects.filter(tenant_id=tenant_id, transaction_id=transaction_id).order_by("created_at", "id")
    return found.values("id", "from_status", "to_status", "reason", "actor", "occurred_at", "created_at")


def list_services(*, tenant_id: UUID, name: str | None = None) -> QuerySet[Any, Any]:
    """The tenant's services."""
    conditions = Q(tenant_id=tenant_id) if name is None else Q(tenant_id=tenant_id, name=name)
    found: QuerySet[Any, Any] = Service.objects.filter(conditions).values("id", "name", "created_at")
    return found


def list_stale_limits(*, tenant_id: UUID | None = None) -> list[RowDict]:
    """The tenants whose policy closes stale transactions, and after how long."""
    conditions = Q(stale_after__isnull=False)
    if tenant_id is not None:
        conditions &= Q(tenant_id=tenant_id)
    return rows_of(Policy.objects.filter(conditions).order_by("tenant_id").values("tenant_id", "stale_after"))


def list_stale_transactions(*, tenant_id: UUID, stale_after: timedelta, after_id: UUID | None, limit: int) -> list[UUID]:
    """Ids of the transactions that have been authorized for longer, in the order of ids, beyond `after_id`. By the database's clock."""
    found = Transaction.objects.filter(tenant_id=tenant_id, status=Status.AUTHORIZED, authorized_at__lt=Now() - stale_after)
    if after_id is not None:
        found = found.filter(id__gt=after_id)
    return list(found.order_by("id").values_list("id", flat=True)[:limit])
