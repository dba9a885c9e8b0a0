"""The errors for refused outcomes of `billing_post`."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from billing.errors import ExceedsOriginal, NotReversible, OutOfRange, UnknownType
from kernel.ledger.errors import AlreadyReversed, Insufficient, InvalidValue, LedgerError, NotFound


def posting_errors(posting: Mapping[str, Any]) -> dict[str, Callable[[Any], LedgerError]]:
    """The error of each outcome that moved nothing, made of this posting and its row."""
    original = posting.get("reverses")
    return {
        "insufficient": lambda row: insufficient(row, requested=row.requested),
        "out_of_range": lambda row: OutOfRange(balance=row.balance, requested=row.requested, currency=row.currency),
        "negative_amount": lambda row: InvalidValue(
            field="amount", reason="negative", value=Decimal(posting["amount"]), type=posting["type"]
        ),
        "unknown_type": lambda row: UnknownType(field="type", value=posting["type"]),
        "not_found": lambda row: NotFound(kind="transaction", id=original),
        "not_reversible": lambda row: NotReversible(id=original),
        "already_reversed": lambda row: AlreadyReversed(id=original, reversed_by=row.blocking_id),
        "exceeds_original": lambda row: ExceedsOriginal(id=original, requested=row.requested, remaining=row.remaining),
    }


def insufficient(row: Any, *, requested: Decimal, held: Decimal | None = None) -> Insufficient:
    """The error for an amount that the wallet's floor doesn't allow, from the outcome row. `held`: what holds reserve of the wallet, needed
    where the row's own `held` is that of one hold."""
    held = row.held if held is None else held
    return Insufficient(
        balance=row.balance,
        held=held,
        available=row.balance - held,
        requested=requested,
        floor=row.floor,
        currency=row.currency,
    )
