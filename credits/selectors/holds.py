"""Reading holds."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from credits.choices import HoldEntryKind
from credits.models import Hold, HoldCall, HoldEntry, HoldLine
from kernel.ledger.errors import NotFound
from kernel.ledger.holds import IS_OVERDUE, OPEN, OVERDUE, HoldStatus
from kernel.ledger.prepared_queries import is_one_of, prepared

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
    """A customer's holds, for `with_lines`. An overdue hold counts as expired, even if no job has closed it yet."""
    holds = Hold.objects.filter(tenant_id=tenant_id, customer_id=customer_id)
    if status == HoldStatus.EXPIRED:
        holds = holds.filter(Q(status=status) | OVERDUE)
    elif status == HoldStatus.ACTIVE:
        holds = holds.filter(OPEN)
    elif status is not None:
        holds = holds.filter(status=status)
    rows: QuerySet[Hold, dict[str, Any]] = holds.values(*HOLD_FIELDS, is_overdue=IS_OVERDUE)
    return rows


def get_hold(*, tenant_id: UUID, customer_id: str, hold_id: UUID) -> dict[str, Any]:
    """One hold, for `with_lines`. Raises NotFound."""
    found = _hold(tenant_id=tenant_id, customer_id=customer_id, hold_id=hold_id)
    if not found:
        raise NotFound(kind="hold", id=hold_id)
    row: dict[str, Any] = found[0]
    return row


@prepared
def _hold(*, tenant_id: Any, customer_id: Any, hold_id: Any) -> "QuerySet[Any, Any]":
    return list_holds(tenant_id=tenant_id, customer_id=customer_id).filter(id=hold_id).order_by()


def with_lines(holds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Holds of `list_holds` with the status, the sum and the lines (in burn-down order) of what each still reserves."""
    if not holds:
        return []
    lines = _lines(tenant_id=holds[0]["tenant_id"], hold_ids=[hold["id"] for hold in holds])
    rows = sorted(lines, key=lambda line: line["chosen_by"]["rank"])
    return [_with_reserved(hold, [line for line in rows if line["hold_id"] == hold["id"]]) for hold in holds]


@prepared
def _lines(*, tenant_id: Any, hold_ids: Any) -> "QuerySet[Any, Any]":
    lines = HoldLine.objects.filter(is_one_of("hold_id", hold_ids), tenant_id=tenant_id)
    return lines.values("hold_id", "grant_id", "amount", "remaining", "chosen_by")


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
    [call] = _calls(tenant_id=tenant_id, hold_id=hold["id"], kind=kind, idempotency_key=idempotency_key)
    is_over = call["is_final"]
    captured = [] if is_over else _captured(tenant_id=tenant_id, hold_id=hold["id"], until=call["occurred_at"])
    taken = {row["grant_id"]: row["taken"] for row in captured}
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


@prepared
def _calls(*, tenant_id: Any, hold_id: Any, kind: Any, idempotency_key: Any) -> "QuerySet[Any, Any]":
    which: dict[str, Any] = {"is_final": True} if idempotency_key is None else {"idempotency_key": idempotency_key}
    calls = HoldCall.objects.filter(tenant_id=tenant_id, hold_id=hold_id, kind=kind, **which)
    return calls.order_by().values("occurred_at", "captured_after", "expires_at", "is_final")


@prepared
def _captured(*, tenant_id: Any, hold_id: Any, until: Any) -> "QuerySet[Any, Any]":
    entries = HoldEntry.objects.filter(tenant_id=tenant_id, hold_id=hold_id, kind=HoldEntryKind.CAPTURED, occurred_at__lte=until)
    return entries.order_by().values("grant_id").annotate(taken=Sum("amount"))


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
