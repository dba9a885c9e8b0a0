"""Reading what is due by the calendar: expiries and recurring grants."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from credits.choices import GrantStatus, ScheduleStatus, TransactionKind
from credits.models import CreditTransaction, Grant, HoldLine, RecurringGrant
from kernel.ledger.errors import NotFound

SCHEDULE_FIELDS = (
    "id",
    "tenant_id",
    "customer_id",
    "name",
    "unit_type",
    "currency",
    "metric_id",
    "amount",
    "cost_of_credit",
    "category",
    "priority",
    "every_months",
    "starts_on",
    "ends_on",
    "rollover_cap",
    "status",
    "next_on",
    "created_at",
)


def due_grants(
    *, today: date, tenant_id: UUID | None = None, after: tuple[date, UUID] | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """Open grants whose last day is over, in the order of that day; of every tenant unless one is named."""
    grants = _due(today=today, tenant_id=tenant_id)
    if after is not None:
        grants = grants.filter(TupleGreaterThan(Tuple(F("expiry_date"), F("id")), list(after)))
    rows: Iterable[Any] = grants.order_by("expiry_date", "id").values("tenant_id", "id", "expiry_date")[:limit]
    return list(rows)


def count_due_grants(*, today: date, tenant_id: UUID | None = None) -> int:
    return _due(today=today, tenant_id=tenant_id).count()


def due_totals(*, now: datetime, today: date, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
    """What expiring today would debit: for each tenant and unit, how many grants and how much, less what live holds reserve."""
    held = HoldLine.objects.filter(remaining__gt=0, expires_at__gt=now, grant__in=_due(today=today, tenant_id=tenant_id).values("id"))
    reserved = {
        (row["tenant_id"], row["grant__currency"], row["grant__metric_id"]): row["amount"]
        for row in held.values("tenant_id", "grant__currency", "grant__metric_id").annotate(amount=Sum("remaining")).order_by()
    }
    rows = (
        _due(today=today, tenant_id=tenant_id)
        .values("tenant_id", "tenant__slug", "currency", "metric_id")
        .annotate(grants=Count("id", filter=Q(balance__gt=0)), amount=Sum("balance"))
        .order_by("tenant__slug", "metric_id", "currency")
    )
    return [{**row, "amount": row["amount"] - reserved.get((row["tenant_id"], row["currency"], row["metric_id"]), 0)} for row in rows]


def list_schedules(*, tenant_id: UUID, customer_id: str | None = None) -> "QuerySet[RecurringGrant, dict[str, Any]]":
    schedules = RecurringGrant.objects.filter(tenant_id=tenant_id)
    if customer_id is not None:
        schedules = schedules.filter(customer_id=customer_id)
    rows: QuerySet[RecurringGrant, dict[str, Any]] = schedules.values(*SCHEDULE_FIELDS)
    return rows


def get_schedule(*, tenant_id: UUID, schedule_id: UUID) -> dict[str, Any]:
    """One standing order. Raises NotFound."""
    found: dict[str, Any] | None
    found = RecurringGrant.objects.filter(tenant_id=tenant_id, id=schedule_id).values(*SCHEDULE_FIELDS).first()
    if found is None:
        raise NotFound(kind="schedule", id=schedule_id)
    return found


def due_schedules(*, today: date, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
    """Active orders with a period that has begun and has no grant yet; of every tenant unless one is named."""
    schedules = RecurringGrant.objects.filter(status=ScheduleStatus.ACTIVE, next_on__lte=today)
    if tenant_id is not None:
        schedules = schedules.filter(tenant_id=tenant_id)
    rows: Iterable[Any] = schedules.order_by("next_on", "id").values("tenant_id", "id")
    return list(rows)


def grant_of_period(*, tenant_id: UUID, schedule_id: UUID, period: int) -> UUID | None:
    """The grant that an order issued for a period, unless it was taken back."""
    grants = Grant.objects.filter(tenant_id=tenant_id, schedule_id=schedule_id, period=period).exclude(status=GrantStatus.DELETED)
    found: UUID | None = grants.values_list("id", flat=True).first()
    return found


def expired_amount(*, tenant_id: UUID, grant_id: UUID) -> Decimal:
    """What expiry took of a grant."""
    rows = CreditTransaction.objects.filter(tenant_id=tenant_id, grant_id=grant_id, kind=TransactionKind.EXPIRY)
    total: Decimal | None = rows.aggregate(total=Sum("amount"))["total"]
    return total or Decimal(0)


def _due(*, today: date, tenant_id: UUID | None) -> "QuerySet[Grant]":
    grants = Grant.objects.filter(status=GrantStatus.OPEN, expiry_date__lt=today)
    return grants if tenant_id is None else grants.filter(tenant_id=tenant_id)
