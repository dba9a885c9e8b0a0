"""Reading schedules, and what is due by the database's clock: grants to expire and grants to issue."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from credits.choices import GrantStatus, ScheduleStatus
from credits.models import Grant, HoldLine, RecurringGrant
from credits.selectors.clock import NOW, TODAY
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


def due_grants(*, tenant_id: UUID | None = None, after: tuple[date, UUID] | None = None, limit: int | None = None) -> list[dict[str, Any]]:
    """Open grants past their last day, ordered by (expiry_date, id); of every tenant unless one is named.

    `after`: the expiry_date and id of the last grant of the page before.
    """
    grants = _due(tenant_id=tenant_id)
    if after is not None:
        grants = grants.filter(TupleGreaterThan(Tuple(F("expiry_date"), F("id")), list(after)))
    rows: Iterable[Any] = grants.order_by("expiry_date", "id").values("tenant_id", "id", "expiry_date")[:limit]
    return list(rows)


def count_due_grants(*, tenant_id: UUID | None = None) -> int:
    """How many grants `due_grants` returns without a limit."""
    return _due(tenant_id=tenant_id).count()


def due_totals(*, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
    """What an expiry now would debit: for each tenant and unit how many grants, and how much without what holds reserve."""
    held = HoldLine.objects.filter(remaining__gt=0, expires_at__gt=NOW, grant__in=_due(tenant_id=tenant_id).values("id"))
    reserved = {
        (row["tenant_id"], row["grant__currency"], row["grant__metric_id"]): row["amount"]
        for row in held.values("tenant_id", "grant__currency", "grant__metric_id").annotate(amount=Sum("remaining")).order_by()
    }
    rows = (
        _due(tenant_id=tenant_id)
        .values("tenant_id", "tenant__slug", "currency", "metric_id")
        .annotate(grants=Count("id", filter=Q(balance__gt=0)), amount=Sum("balance"))
        .order_by("tenant__slug", "metric_id", "currency")
    )
    return [{**row, "amount": row["amount"] - reserved.get((row["tenant_id"], row["currency"], row["metric_id"]), 0)} for row in rows]


def list_schedules(*, tenant_id: UUID, customer_id: str | None = None) -> "QuerySet[RecurringGrant, dict[str, Any]]":
    """A tenant's schedules."""
    schedules = RecurringGrant.objects.filter(tenant_id=tenant_id)
    if customer_id is not None:
        schedules = schedules.filter(customer_id=customer_id)
    rows: QuerySet[RecurringGrant, dict[str, Any]] = schedules.values(*SCHEDULE_FIELDS)
    return rows


def get_schedule(*, tenant_id: UUID, schedule_id: UUID) -> dict[str, Any]:
    """One schedule. Raises NotFound."""
    row: dict[str, Any] | None
    row = RecurringGrant.objects.filter(tenant_id=tenant_id, id=schedule_id).values(*SCHEDULE_FIELDS).first()
    if row is None:
        raise NotFound(kind="schedule", id=schedule_id)
    return row


def due_schedules(*, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
    """Active schedules with a period that has begun and has no grant yet; of every tenant unless one is named."""
    schedules = RecurringGrant.objects.filter(status=ScheduleStatus.ACTIVE, next_on__lte=TODAY)
    if tenant_id is not None:
        schedules = schedules.filter(tenant_id=tenant_id)
    rows: Iterable[Any] = schedules.order_by("next_on", "id").values("tenant_id", "id")
    return list(rows)


def grant_of_period(*, tenant_id: UUID, schedule_id: UUID, period: int) -> UUID | None:
    """The id of the grant that a schedule issued for a period, or None if there is none or it was deleted."""
    grants = Grant.objects.filter(tenant_id=tenant_id, schedule_id=schedule_id, period=period).exclude(status=GrantStatus.DELETED)
    grant_id: UUID | None = grants.values_list("id", flat=True).first()
    return grant_id


def _due(*, tenant_id: UUID | None) -> "QuerySet[Grant]":
    grants = Grant.objects.filter(status=GrantStatus.OPEN, expiry_date__lt=TODAY)
    return grants if tenant_id is None else grants.filter(tenant_id=tenant_id)
