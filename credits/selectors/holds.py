"""Reading holds."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from credits.choices import HoldStatus
from credits.models import Hold, HoldLine
from kernel.ledger.errors import NotFound

HOLD_FIELDS = (
    "id",
    "tenant_id",
    "customer_id",
    "currency",
    "metric_id",
    "amount",
    "captured",
    "reason",
    "status",
    "expires_at",
    "closed_at",
    "created_at",
)


def list_holds(*, tenant_id: UUID, customer_id: str, status: str | None = None) -> "QuerySet[Hold, dict[str, Any]]":
    """A customer's holds. An overdue one is expired, whether its job has come by or not."""
    holds = Hold.objects.filter(tenant_id=tenant_id, customer_id=customer_id)
    now = timezone.now()
    if status == HoldStatus.EXPIRED:
        holds = holds.filter(status=status) | holds.filter(status=HoldStatus.ACTIVE, expires_at__lte=now)
    elif status == HoldStatus.ACTIVE:
        holds = holds.filter(status=status, expires_at__gt=now)
    elif status is not None:
        holds = holds.filter(status=status)
    rows: QuerySet[Hold, dict[str, Any]] = holds.values(*HOLD_FIELDS)
    return rows


def get_hold(*, tenant_id: UUID, customer_id: str, hold_id: UUID) -> dict[str, Any]:
    """One hold. Raises NotFound."""
    found: dict[str, Any] | None
    found = Hold.objects.filter(tenant_id=tenant_id, customer_id=customer_id, id=hold_id).values(*HOLD_FIELDS).first()
    if found is None:
        raise NotFound(kind="hold", id=hold_id)
    return found


def with_lines(holds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The holds, each with the grants that bear it in burn-down order, and what is still reserved."""
    if not holds:
        return []
    lines = HoldLine.objects.filter(tenant_id=holds[0]["tenant_id"], hold_id__in=[hold["id"] for hold in holds])
    rows: list[Any] = sorted(
        lines.values("hold_id", "grant_id", "amount", "remaining", "chosen_by"), key=lambda line: line["chosen_by"]["rank"]
    )
    return [_standing(hold, [line for line in rows if line["hold_id"] == hold["id"]]) for hold in holds]


def hold_as_placed(hold: dict[str, Any]) -> dict[str, Any]:
    """A hold of `with_lines` as it was when it was placed: nothing but its end changes a hold."""
    lines = [{**line, "remaining": line["amount"]} for line in hold["lines"]]
    first = {"status": HoldStatus.ACTIVE, "captured": Decimal(0), "closed_at": None, "held": hold["amount"], "lines": lines}
    return {**hold, **first}


def overdue_holds(*, now: datetime, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
    """Holds to be closed because their time is over; of every tenant unless one is named."""
    holds = Hold.objects.filter(status=HoldStatus.ACTIVE, expires_at__lte=now)
    if tenant_id is not None:
        holds = holds.filter(tenant_id=tenant_id)
    rows: Iterable[Any] = holds.order_by("expires_at", "id").values("tenant_id", "id")
    return list(rows)


def _standing(hold: dict[str, Any], lines: list[dict[str, Any]]) -> dict[str, Any]:
    is_overdue = hold["status"] == HoldStatus.ACTIVE and hold["expires_at"] <= timezone.now()
    remaining = sum(line["remaining"] for line in lines)
    return {
        **hold,
        "status": HoldStatus.EXPIRED if is_overdue else hold["status"],
        "held": 0 if is_overdue else remaining,
        # An overdue hold reserves nothing of any grant, whether its job has come by or not.
        "lines": [{**line, "remaining": 0} for line in lines] if is_overdue else lines,
    }
