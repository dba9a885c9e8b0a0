"""Reading recurring grants (published: schedules), and which of them have a grant to issue by the database's clock."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from credits.choices import GrantStatus, ScheduleStatus
from credits.models import Grant, RecurringGrant
from credits.selectors.clock import TODAY
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


def due_recurring_grants(*, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
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
