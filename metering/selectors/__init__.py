"""Reads of the metering ledger. Functions take `tenant_id` by keyword; another tenant's row is not found."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now

from kernel.ledger.errors import NotFound
from kernel.ledger.prepared_queries import is_one_of, prepared
from kernel.tenants.models import Tenant
from metering.choices import Status
from metering.models import Agent, Cost, Fact, Policy, Price, Service, StatusChange, Trace, Transaction, UnitPrice
from metering.selectors.payments import current_payment, list_current_payments

# A row as a queryset's `values()` has it: a dictionary of columns. Any, because each column has a type of its own.
Row: TypeAlias = Any

AGENT = ("id", "tenant_id", "label", "name", "description", "status", "created_at", "updated_at", "customer_id")
PRICE = (
    *("id", "service_name", "action_name", "resource_name", "currency", "flat_amount", "minimum", "markup", "valid_from", "valid_to"),
    "created_at",
)
UNIT_PRICE = ("fact_key", "amount", "per", "is_optional", "is_package", "tier_mode", "tiers", "part_of")
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
COST = (
    "id",
    "transaction_id",
    "tenant_id",
    "fiat_amount",
    "fiat_asset_symbol",
    "is_estimate",
    "is_active",
    "supersedes_id",
    "superseded_at",
    "superseded_by_id",
    "inferred_from_id",
    "cost_details",
    "occurred_at",
    "created_at",
    "payment_id",
)
PRICING = ("pricing", "pricing_note", "pricing_fields")
CHANGED_AT = Coalesce("superseded_at", "created_at")


def rows_of(queryset: Any) -> list[Row]:
    """A queryset's rows. Its `values()` has a type of its own for every set of columns; this has one."""
    return list(queryset)


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


def with_costs(rows: Iterable[Row]) -> list[Row]:
    """Full transactions with agent, trace and all their costs: one query, however many they are."""
    rows = list(rows)
    if not rows:
        return []
    tenant_id = rows[0]["tenant_id"]
    costs: dict[UUID, list[Row]] = {row["id"]: [] for row in rows}
    for cost in _costs_of(tenant_id=tenant_id, transaction_ids=list(costs)):
        costs[cost["transaction_id"]].append(cost)
    payments = list_current_payments(tenant_id=tenant_id, ids=[row["id"] for row in rows if row["requires_payment"]])
    return [_with_relations(row, costs=costs[row["id"]]) | current_payment(payments.get(row["id"])) for row in rows]


@prepared
def _costs_of(*, tenant_id: Any, transaction_ids: Any) -> QuerySet[Any, Any]:
    found = Cost.objects.filter(is_one_of("transaction_id", transaction_ids), tenant_id=tenant_id)
    return found.order_by("created_at", "id").values(*COST, updated_at=CHANGED_AT)


def _with_relations(row: Row, *, costs: list[Row]) -> Row:
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


def get_transaction(*, tenant_id: UUID, transaction_id: UUID) -> Row:
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


def get_transactions(*, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The transactions of these ids that there are, by id, in two queries."""
    return {row["id"]: row for row in with_costs(_transactions(tenant_id=tenant_id, ids=list(ids)))}


@prepared
def _transactions(*, tenant_id: Any, ids: Any) -> QuerySet[Any, Any]:
    return Transaction.objects.filter(is_one_of("id", ids), tenant_id=tenant_id).order_by().values(*TRANSACTION)


def check_exists(*, tenant_id: UUID, transaction_id: UUID) -> None:
    """Check that the tenant has this transaction. Raises NotFound."""
    if not Transaction.objects.filter(tenant_id=tenant_id, id=transaction_id).exists():
        raise NotFound(kind="transaction", id=transaction_id)


def list_costs(*, tenant_id: UUID, transaction_id: UUID) -> list[Row]:
    """All costs of a transaction, superseded ones too, oldest first. Raises NotFound."""
    found = _costs_of(tenant_id=tenant_id, transaction_ids=[transaction_id])
    if not found:
        check_exists(tenant_id=tenant_id, transaction_id=transaction_id)
    return found


def get_costs(*, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The costs of these ids that there are, by id, with the columns of COST, and `updated_at`: when a cost was superseded, else made."""
    return {cost["id"]: cost for cost in _costs(tenant_id=tenant_id, ids=list(ids))}


@prepared
def _costs(*, tenant_id: Any, ids: Any) -> QuerySet[Any, Any]:
    return Cost.objects.filter(is_one_of("id", ids), tenant_id=tenant_id).order_by().values(*COST, updated_at=CHANGED_AT)


def get_cost(*, tenant_id: UUID, cost_id: UUID) -> Row:
    """One cost, as get_costs has it. Raises NotFound."""
    found = list(get_costs(tenant_id=tenant_id, ids=[cost_id]).values())
    if not found:
        raise NotFound(kind="cost", id=cost_id)
    return found[0]


def list_superseded(*, tenant_id: UUID, cost_ids: Iterable[UUID]) -> dict[UUID, list[Row]]:
    """The costs that each of these took the place of, by the newer cost: id and fiat_amount; one query."""
    superseded: dict[UUID, list[Row]] = {}
    for cost in _superseded(tenant_id=tenant_id, cost_ids=list(cost_ids)):
        superseded.setdefault(cost["superseded_by_id"], []).append(cost)
    return superseded


@prepared
def _superseded(*, tenant_id: Any, cost_ids: Any) -> QuerySet[Any, Any]:
    newer = Cost.objects.filter(is_one_of("id", cost_ids), tenant_id=tenant_id).values("transaction_id")
    found = Cost.objects.filter(is_one_of("superseded_by_id", cost_ids), tenant_id=tenant_id, transaction_id__in=newer)
    return found.order_by("created_at", "id").values("id", "fiat_amount", "superseded_by_id")


def total_active(costs: Iterable[Mapping[str, Any]], *, currency: str) -> Decimal:
    """The sum of the active costs in one currency, estimates included."""
    return sum((cost["fiat_amount"] for cost in costs if cost["is_active"] and cost["fiat_asset_symbol"] == currency), Decimal(0))


def list_facts(*, tenant_id: UUID, transaction_id: UUID) -> list[Row]:
    """What was reported about a transaction, oldest first. Raises NotFound."""
    found = _facts(tenant_id=tenant_id, transaction_id=transaction_id)
    if not found:
        check_exists(tenant_id=tenant_id, transaction_id=transaction_id)
    return found


@prepared
def _facts(*, tenant_id: Any, transaction_id: Any) -> QuerySet[Any, Any]:
    found = Fact.objects.filter(tenant_id=tenant_id, transaction_id=transaction_id).order_by("created_at", "id")
    return found.values("id", "source", "version", "phase", "facts", "integration", "call_id", *PRICING, "occurred_at", "created_at")


def list_first_facts(*, tenant_id: UUID, transaction_ids: Iterable[UUID]) -> dict[UUID, Row]:
    """What was reported together with transactions that were recorded finished, by transaction; one query."""
    return {fact["transaction_id"]: fact for fact in _first_facts(tenant_id=tenant_id, transaction_ids=list(transaction_ids))}


@prepared
def _first_facts(*, tenant_id: Any, transaction_ids: Any) -> QuerySet[Any, Any]:
    together = {"created_at": F("transaction__created_at"), "facts_digest__isnull": False}
    found = Fact.objects.filter(is_one_of("transaction_id", transaction_ids), tenant_id=tenant_id, **together)
    return found.order_by().values("id", "transaction_id", *PRICING)


def list_status_changes(*, tenant_id: UUID, transaction_id: UUID) -> list[Row]:
    """The steps of a transaction's status, oldest first. Raises NotFound."""
    found = _status_changes(tenant_id=tenant_id, transaction_id=transaction_id)
    if not found:
        check_exists(tenant_id=tenant_id, transaction_id=transaction_id)
    return found


@prepared
def _status_changes(*, tenant_id: Any, transaction_id: Any) -> QuerySet[Any, Any]:
    found = StatusChange.objects.filter(tenant_id=tenant_id, transaction_id=transaction_id).order_by("created_at", "id")
    return found.values("id", "from_status", "to_status", "reason", "actor", "occurred_at", "created_at")


def get_trace(*, tenant_id: UUID, reference: UUID) -> Row:
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


def list_services(*, tenant_id: UUID, name: str | None = None) -> QuerySet[Any, Any]:
    """The tenant's services."""
    conditions = Q(tenant_id=tenant_id) if name is None else Q(tenant_id=tenant_id, name=name)
    found: QuerySet[Any, Any] = Service.objects.filter(conditions).values("id", "name", "created_at")
    return found


def list_trace_totals(*, tenant_id: UUID, trace_id: UUID) -> list[Row]:
    """The sums of the active costs of a trace's transactions, by currency."""
    active = Cost.objects.filter(tenant_id=tenant_id, is_active=True, transaction__tenant_id=tenant_id, transaction__trace_id=trace_id)
    sums = {"costs": Count("id"), "amount": Sum("fiat_amount"), "estimated": Sum("fiat_amount", filter=Q(is_estimate=True), default=0)}
    found = rows_of(active.values(currency=F("fiat_asset_symbol")).order_by("currency").annotate(**sums))
    return [row | {"actual": row["amount"] - row["estimated"]} for row in found]


def count_trace_transactions(*, tenant_id: UUID, trace_id: UUID) -> int:
    """How many transactions a trace has."""
    return Transaction.objects.filter(tenant_id=tenant_id, trace_id=trace_id).count()


def list_agents(*, tenant_id: UUID, name: str | None = None, status: str | None = None) -> QuerySet[Any, Any]:
    """The tenant's agents."""
    conditions = Q(tenant_id=tenant_id)
    if name is not None:
        conditions &= Q(name=name)
    if status is not None:
        conditions &= Q(status=status)
    found: QuerySet[Any, Any] = Agent.objects.filter(conditions).values(*AGENT)
    return found


def get_agent(*, tenant_id: UUID, agent_id: UUID) -> Row:
    """One agent with the columns of AGENT. Raises NotFound."""
    found: Any = list_agents(tenant_id=tenant_id).filter(id=agent_id).first()
    if found is None:
        raise NotFound(kind="agent", id=agent_id)
    return found


def list_prices(*, tenant_id: UUID, at: datetime | None = None) -> list[Row]:
    """The tenant's prices, valid at `at` where that is given, each with its units; two queries."""
    return with_units(rows_of(query_prices(tenant_id=tenant_id, at=at).order_by("-valid_from", "-id")), tenant_id=tenant_id)


def query_prices(*, tenant_id: UUID, at: datetime | None = None, **names: str | None) -> QuerySet[Price, Row]:
    """The tenant's prices without their units. `names`: service_name, action_name and resource_name that a price must state; None: any."""
    conditions = Q(tenant_id=tenant_id, **{name: value for name, value in names.items() if value is not None})
    if at is not None:
        conditions &= Q(valid_from__lte=at) & (Q(valid_to__isnull=True) | Q(valid_to__gt=at))
    return Price.objects.filter(conditions).values(*PRICE)


def get_price(*, tenant_id: UUID, price_id: UUID) -> Row:
    """One price with its units. Raises NotFound."""
    found = with_units(rows_of(query_prices(tenant_id=tenant_id).filter(id=price_id)), tenant_id=tenant_id)
    if not found:
        raise NotFound(kind="price", id=price_id)
    return found[0]


def with_units(prices: list[Row], *, tenant_id: UUID) -> list[Row]:
    """Rows of query_prices, each with its units; one query."""
    units: dict[UUID, list[Row]] = {price["id"]: [] for price in prices}
    if prices:
        terms = UnitPrice.objects.filter(tenant_id=tenant_id, price_id__in=list(units)).order_by("id")
        for unit in rows_of(terms.values("price_id", *UNIT_PRICE)):
            units[unit["price_id"]].append(unit)
    return [price | {"units": units[price["id"]]} for price in prices]


def list_price_terms(*, tenant_id: UUID, transaction_ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The columns of transactions by which their prices are chosen, and of the tenant's policy (null without one), by id; one query."""
    return {row["id"]: row for row in _price_terms(tenant_id=tenant_id, transaction_ids=list(transaction_ids))}


@prepared
def _price_terms(*, tenant_id: Any, transaction_ids: Any) -> QuerySet[Any, Any]:
    policy = Policy.objects.filter(tenant_id=tenant_id)
    found = Transaction.objects.filter(is_one_of("id", transaction_ids), tenant_id=tenant_id).order_by()
    columns = ("id", "service__name", "action_name", "resource_name", "qualifiers", "request_facts", "occurred_at")
    return found.values(*columns, **{name: Subquery(policy.values(name)) for name in ("reported_costs", "prices_self_hosted")})


def get_pricing_policy(*, tenant_id: UUID) -> Row:
    """What of a tenant's policy decides prices (null without a policy), and the database's time as `now`; one query."""
    policy = Policy.objects.filter(tenant_id=tenant_id)
    columns = {name: Subquery(policy.values(name)) for name in ("reported_costs", "prices_self_hosted")}
    return rows_of(Tenant.objects.filter(id=tenant_id).values(**columns, now=Now()))[0]


def list_stale_limits(*, tenant_id: UUID | None = None) -> list[Row]:
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
