"""Reading grants, and which of them are due to expire by the database's clock."""

from collections.abc import Iterable
from datetime import UTC, date
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan
from django.utils import timezone

from credits.choices import GrantStatus
from credits.models import Grant, HoldLine
from credits.selectors.database_now import TODAY
from kernel.ledger.errors import NotFound
from kernel.ledger.holds import NOW
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


@prepared
def _grant(*, tenant_id: Any, grant_id: Any) -> "QuerySet[Any, Any]":
    return Grant.objects.filter(tenant_id=tenant_id, id=grant_id).order_by().values(*GRANT_FIELDS)


def _due(*, tenant_id: UUID | None) -> "QuerySet[Grant]":
    grants = Grant.objects.filter(status=GrantStatus.OPEN, expiry_date__lt=TODAY)
    return grants if tenant_id is None else grants.filter(tenant_id=tenant_id)
