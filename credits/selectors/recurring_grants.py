"""Reading recurring grants (/credit-schedules), and which of them have a grant to issue by the database's clock."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from credits.choices import GrantStatus, RecurringGrantStatus
from credits.models import Grant, RecurringGrant
from credits.selectors.database_now import TODAY
from kernel.ledger.errors import NotFound

RECURRING_GRANT_FIELDS = (
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


def list_recurring_grants(*, tenant_id: UUID, customer_id: str | None = None) -> "QuerySet[RecurringGrant, dict[str, Any]]":
    """A tenant's recurring grants."""
    recurring_grants = RecurringGrant.objects.filter(tenant_id=tenant_id)
    if customer_id is not None:
        recurring_grants = recurring_grants.filter(customer_id=customer_id)
    rows: QuerySet[RecurringGrant, dict[str, Any]] = recurring_grants.values(*RECURRING_GRANT_FIELDS)
    return rows


def get_recurring_grant(*, tenant_id: UUID, recurring_grant_id: UUID) -> dict[str, Any]:
    """One recurring grant. Raises NotFound."""
    row: dict[str, Any] | None
    row = RecurringGrant.objects.filter(tenant_id=tenant_id, id=recurring_grant_id).values(*RECURRING_GRANT_FIELDS).first()
    if row is None:
        raise NotFound(kind="recurring grant", id=recurring_grant_id)
    return row


def due_recurring_grants(*, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
    """Active recurring grants with a period that has begun and has no grant yet; of every tenant unless one is named."""
    recurring_grants = RecurringGrant.objects.filter(status=RecurringGrantStatus.ACTIVE, next_on__lte=TODAY)
    if tenant_id is not None:
        recurring_grants = recurring_grants.filter(tenant_id=tenant_id)
    rows: Iterable[Any] = recurring_grants.order_by("next_on", "id").values("tenant_id", "id")
    return list(rows)


def grant_of_period(*, tenant_id: UUID, recurring_grant_id: UUID, period: int) -> UUID | None:
    """The id of the grant that a recurring grant issued for a period, or None if there is none or it was deleted."""
    grants = Grant.objects.filter(tenant_id=tenant_id, recurring_grant_id=recurring_grant_id, period=period).exclude(
        status=GrantStatus.DELETED
    )
    grant_id: UUID | None = grants.values_list("id", flat=True).first()
    return grant_id
