"""What the posting functions answer, as rows or as this ledger's errors."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from credits.errors import (
    AmountTooLarge,
    GrantDrawnOn,
    GrantExpired,
    GrantHeld,
    GrantNotFound,
    GrantNotYetEffective,
    GrantVoided,
    InsufficientCredit,
    MoreThanTaken,
)
from kernel.ledger.errors import AlreadyReversed, IdempotencyConflict, LedgerError
from kernel.ledger.idempotency import differing

# Outcomes that leave or find the effect in the book.
DONE = {"posted", "replayed", "nothing_left", "closed_before", "not_due"}


def bytea(digest: bytes) -> str:
    """A digest as PostgreSQL reads it from JSON."""
    return f"\\x{digest.hex()}"


def grant_uuid(grant_id: UUID | str) -> UUID:
    """The id of a grant as the caller wrote it. Raises GrantNotFound: what is no id names no grant."""
    if isinstance(grant_id, UUID):
        return grant_id
    try:
        return UUID(grant_id)
    except ValueError as error:
        raise GrantNotFound(grant_id=grant_id) from error


def conflict(row: Any, *, digest: bytes, names: Sequence[str]) -> IdempotencyConflict:
    """The refusal for a key that was used before with other facts."""
    return IdempotencyConflict(first_id=row.id, fields=differing(names, bytes(row.first_digest), digest))


def refusal_of(row: Any, *, requested: Any, invoice_id: str = "") -> LedgerError:
    """The error for an outcome of `credits_post` that moved nothing. An outcome that nobody here knows is a KeyError."""
    standing = {"grant_id": row.grant_id, "balance": row.balance, "held": row.held}
    make: dict[str, Callable[[], LedgerError]] = {
        "not_found": lambda: GrantNotFound(grant_id=str(row.grant_id)),
        "voided": lambda: GrantVoided(**standing),
        "not_yet_effective": lambda: GrantNotYetEffective(effective_date=row.effective_date, **standing),
        "expired": lambda: GrantExpired(expiry_date=row.expiry_date, **standing),
        "insufficient": lambda: InsufficientCredit(available=row.balance - row.held, requested=requested, **standing),
        "more_than_taken": lambda: MoreThanTaken(invoice_id=invoice_id, taken=max(row.taken, 0), requested=requested, **standing),
        "too_large": lambda: AmountTooLarge(field="amount", reason="too_many_digits", max=18),
        "drawn_on": lambda: GrantDrawnOn(**standing),
        "held": lambda: GrantHeld(**standing),
        "reversed_before": lambda: AlreadyReversed(reversed_by=row.reversed_by),
    }
    return make[row.outcome]()
