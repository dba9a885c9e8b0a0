"""Reading holds."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet, Sum

from credits.choices import HoldEntryKind
from credits.models import Hold, HoldCall, HoldEntry, HoldLine
from credits.selectors.clock import NOW
from kernel.ledger.errors import NotFound
from kernel.ledger.holds import HoldStatus

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
OVERDUE = Q(status=HoldStatus.ACTIVE, expires_at__lte=NOW)
IS_OVERDUE = ExpressionWrapper(OVERDUE, output_field=BooleanField())


def list_holds(*, tenant_id: UUID, customer_id: str, status: str | None = None) -> "QuerySet[Hold, dict[str, Any]]":
    """A customer's holds, for `with_lines`. An overdue hold counts as expired, even if no job has closed it yet."""
    holds = Hold.objects.filter(tenant_id=tenant_id, customer_id=customer_id)
    if status == HoldStatus.EXPIRED:
        holds = holds.filter(Q(status=status) | OVERDUE)
    elif status == HoldStatus.ACTIVE:
        holds = holds.filter(status=status, expires_at__gt=NOW)
    elif status is not None:
        holds = holds.filter(status=status)
    rows: QuerySet[Hold, dict[str, Any]] = holds.values(*HOLD_FIELDS, is_overdue=IS_OVERDUE)
    return rows


def get_hold(*, tenant_id: UUID, customer_id: str, hold_id: UUID) -> dict[str, Any]:
    """One hold, for `with_lines`. Raises NotFound."""
    row = list_holds(tenant_id=tenant_id, customer_id=customer_id).filter(id=hold_id).first()
    if row is None:
        raise NotFound(kind="hold", id=hold_id)
    return row


def with_lines(holds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Holds of `list_holds` with the status, the sum and the lines (in burn-down order) of what each still reserves."""
    if not holds:
        return []
    lines = HoldLine.objects.filter(tenant_id=holds[0]["tenant_id"], hold_id__in=[hold["id"] for hold in holds])
    rows: list[Any] = sorted(
        lines.values("hold_id", "grant_id", "amount", "remaining", "chosen_by"), key=lambda line: line["chosen_by"]["rank"]
    )
    return [_with_reserved(hold, [line for line in rows if line["hold_id"] == hold["id"]]) for hold in holds]


def hold_as_placed(hold: dict[str, Any], *, expires_at: datetime) -> dict[str, Any]:
    """A hold of `with_lines` as it was when it was placed, until `expires_at`."""
    lines = [{**line, "remaining": line["amount"]} for line in hold["lines"]]
    first = {
        "status": HoldStatus.ACTIVE,
        "captured": Decimal(0),
        "closed_at": None,
        "expires_at": expires_at,
        "held": hold["amount"],
        "lines": lines,
    }
    return {**hold, **first}


def hold_after_call(hold: dict[str, Any], *, tenant_id: UUID, kind: str, idempotency_key: str | None) -> dict[str, Any]:
    """A hold of `with_lines` as it was after the capture or extension with this key; without one, after the final capture."""
    its: dict[str, Any] = {"idempotency_key": idempotency_key} if idempotency_key is not None else {"is_final": True}
    call = HoldCall.objects.filter(tenant_id=tenant_id, hold_id=hold["id"], kind=kind, **its).values().get()
    by_grant = HoldEntry.objects.filter(
        tenant_id=tenant_id, hold_id=hold["id"], kind=HoldEntryKind.CAPTURED, occurred_at__lte=call["occurred_at"]
    ).values_list("grant_id")
    taken = dict(by_grant.annotate(amount=Sum("amount")).order_by())
    is_over = call["is_final"]
    lines = [
        {**line, "remaining": Decimal(0) if is_over else line["amount"] - taken.get(line["grant_id"], Decimal(0))} for line in hold["lines"]
    ]
    return {
        **hold,
        "lines": lines,
        "held": sum(line["remaining"] for line in lines),
        "captured": call["captured_after"],
        "expires_at": call["expires_at"],
        "status": HoldStatus.CAPTURED if is_over else HoldStatus.ACTIVE,
        "closed_at": call["occurred_at"] if is_over else None,
    }


def overdue_holds(*, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
    """Overdue holds that aren't closed yet; of every tenant unless one is named."""
    holds = Hold.objects.filter(OVERDUE)
    if tenant_id is not None:
        holds = holds.filter(tenant_id=tenant_id)
    rows: Iterable[Any] = holds.order_by("expires_at", "id").values("tenant_id", "id")
    return list(rows)


def _with_reserved(hold: dict[str, Any], lines: list[dict[str, Any]]) -> dict[str, Any]:
    if hold["is_overdue"]:
        # An overdue hold reserves nothing, even if no job has closed it yet.
        return {**hold, "status": HoldStatus.EXPIRED, "held": 0, "lines": [{**line, "remaining": 0} for line in lines]}
    return {**hold, "held": sum(line["remaining"] for line in lines), "lines": lines}
