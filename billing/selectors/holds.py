"""Reads of holds on wallets."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.expressions import RawSQL

from billing.choices import HoldEntryKind
from billing.models import WalletHold, WalletHoldEntry
from billing.selectors.transactions import Rows
from kernel.ledger.errors import NotFound
from kernel.ledger.holds import IS_OVERDUE, OPEN, OVERDUE, HoldStatus
from kernel.ledger.money import MoneyField
from kernel.ledger.prepared_queries import prepared

HOLD_FIELDS = (
    "id",
    "currency",
    "amount",
    "captured",
    "reference_id",
    "reason",
    "allow_overdraft",
    "status",
    "expires_at",
    "closed_at",
    "created_at",
)
ENTRY_FIELDS = ("captured_after", "expires_at", "is_final", "transaction_id", "occurred_at")
# A column of a query of wallets: what holds reserve now, without overdue ones.
HELD_NOW = RawSQL("billing_held_now(billing_wallet)", (), output_field=MoneyField())


def list_holds(*, tenant_id: UUID, status: str | None = None, currency: str | None = None, reference_id: str | None = None) -> Rows:
    """The tenant's holds, for `as_shown`. An overdue hold counts as expired, even if nothing has ended it yet."""
    holds = WalletHold.objects.filter(tenant_id=tenant_id)
    if status == HoldStatus.EXPIRED:
        holds = holds.filter(Q(status=status) | OVERDUE)
    elif status == HoldStatus.ACTIVE:
        holds = holds.filter(OPEN)
    elif status is not None:
        holds = holds.filter(status=status)
    named = {name: value for name, value in (("currency", currency), ("reference_id", reference_id)) if value is not None}
    rows: Rows = holds.filter(**named).values(*HOLD_FIELDS, is_overdue=IS_OVERDUE)
    return rows


def as_shown(hold: dict[str, Any]) -> dict[str, Any]:
    """A hold of `list_holds` with what it reserves, and with the status and the end that it has at this moment."""
    if hold["is_overdue"]:
        hold = hold | {"status": HoldStatus.EXPIRED, "closed_at": hold["expires_at"]}
    return hold | {"held": hold["amount"] - hold["captured"] if hold["status"] == HoldStatus.ACTIVE else Decimal(0)}


def get_hold(*, tenant_id: UUID, hold_id: UUID) -> dict[str, Any]:
    """One hold as it is shown. Raises NotFound."""
    found = _hold(tenant_id=tenant_id, hold_id=hold_id)
    if not found:
        raise NotFound(kind="hold", id=hold_id)
    return as_shown(found[0])


@prepared
def _hold(*, tenant_id: Any, hold_id: Any) -> Rows:
    return list_holds(tenant_id=tenant_id).filter(id=hold_id).order_by()


def get_hold_after(*, tenant_id: UUID, hold_id: UUID, kind: str, reference_id: str | None = None) -> dict[str, Any]:
    """One hold as it was after it was placed, released, or captured or extended by the call with this key, by default the hold's own.

    `transaction_id` is the debit of a capture. Only these calls and its end change a hold, and each leaves an entry.
    """
    hold = get_hold(tenant_id=tenant_id, hold_id=hold_id)
    if kind == HoldEntryKind.RELEASED:
        [entry] = _releases(tenant_id=tenant_id, hold_id=hold_id)
    else:
        key = hold["reference_id"] if kind == HoldEntryKind.CAPTURED and reference_id is None else reference_id
        [entry] = _entries(tenant_id=tenant_id, hold_id=hold_id, kind=kind, reference_id=key)
    status = kind if entry["is_final"] or kind == HoldEntryKind.RELEASED else HoldStatus.ACTIVE
    return hold | {
        "status": str(status),
        "captured": entry["captured_after"],
        "held": hold["amount"] - entry["captured_after"] if status == HoldStatus.ACTIVE else Decimal(0),
        "expires_at": entry["expires_at"],
        "closed_at": None if status == HoldStatus.ACTIVE else entry["occurred_at"],
        "transaction_id": entry["transaction_id"],
    }


@prepared
def _releases(*, tenant_id: Any, hold_id: Any) -> Rows:
    # The rest that a final capture releases has no digest of its own.
    condition: dict[str, Any] = {"kind": HoldEntryKind.RELEASED, "facts_digest__isnull": False}
    return WalletHoldEntry.objects.filter(tenant_id=tenant_id, hold_id=hold_id, **condition).order_by().values(*ENTRY_FIELDS)


@prepared
def _entries(*, tenant_id: Any, hold_id: Any, kind: Any, reference_id: Any) -> Rows:
    entries = WalletHoldEntry.objects.filter(tenant_id=tenant_id, hold_id=hold_id, kind=kind)
    if reference_id is not None:
        entries = entries.filter(reference_id=reference_id)
    return entries.order_by().values(*ENTRY_FIELDS)


def overdue_holds(*, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
    """Overdue holds that aren't ended yet; of every tenant unless one is named."""
    holds = WalletHold.objects.filter(OVERDUE)
    if tenant_id is not None:
        holds = holds.filter(tenant_id=tenant_id)
    rows: Iterable[Any] = holds.order_by("expires_at", "id").values("tenant_id", "id")
    return list(rows)
