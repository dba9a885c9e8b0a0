"""Reading grants."""

from datetime import UTC
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from credits.choices import GrantStatus
from credits.models import Grant
from kernel.ledger.errors import NotFound
from kernel.ledger.prepared_queries import prepared

GRANT_FIELDS = (
    "id",
    "tenant_id",
    "customer_id",
    "name",
    "unit_type",
    "currency",
    "metric_id",
    "category",
    "priority",
    "original_amount",
    "cost_of_credit",
    "effective_date",
    "expiry_date",
    "balance",
    "held",
    "status",
    "created_at",
)


def status_today(grant: Grant) -> GrantStatus:
    """The status of a grant's row by today's date in UTC: an open one past its last day is expired, though its job may not have run yet."""
    is_over = (
        grant.status == GrantStatus.OPEN and grant.expiry_date is not None and grant.expiry_date < timezone.now().astimezone(UTC).date()
    )
    return GrantStatus.EXPIRED if is_over else GrantStatus(grant.status)


def list_grants(*, tenant_id: UUID, customer_id: str | None = None) -> "QuerySet[Grant, dict[str, Any]]":
    """A tenant's grants, without deleted ones."""
    grants = Grant.objects.filter(tenant_id=tenant_id).exclude(status=GrantStatus.DELETED)
    if customer_id is not None:
        grants = grants.filter(customer_id=customer_id)
    rows: QuerySet[Grant, dict[str, Any]] = grants.values(*GRANT_FIELDS)
    return rows


def get_grant(*, tenant_id: UUID, grant_id: UUID, deleted: bool = False) -> dict[str, Any]:
    """One grant. Raises NotFound, for a deleted one too unless `deleted`."""
    found = _grant(tenant_id=tenant_id, grant_id=grant_id)
    if not found or (found[0]["status"] == GrantStatus.DELETED and not deleted):
        raise NotFound(kind="grant", id=grant_id)
    grant: dict[str, Any] = found[0]
    return grant


@prepared
def _grant(*, tenant_id: Any, grant_id: Any) -> "QuerySet[Any, Any]":
    return Grant.objects.filter(tenant_id=tenant_id, id=grant_id).order_by().values(*GRANT_FIELDS)
