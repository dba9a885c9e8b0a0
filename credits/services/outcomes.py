"""What the posting functions answer, as rows or as this ledger's errors."""

from collections.abc import Sequence
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
    """The error for an outcome of `credits_post` that moved nothing."""
    grant_id = row.grant_id
    standing = {"grant_id": grant_id, "balance": row.balance, "held": row.held}
    match row.outcome:
        case "not_found":
            return GrantNotFound(grant_id=str(grant_id))
        case "voided":
            return GrantVoided(grant_id=grant_id)
        case "not_yet_effective":
            return GrantNotYetEffective(effective_date=row.effective_date, **standing)
        case "expired":
            return GrantExpired(expiry_date=row.expiry_date, **standing)
        case "insufficient":
            return InsufficientCredit(available=row.balance - row.held, requested=requested, **standing)
        case "more_than_taken":
            return MoreThanTaken(invoice_id=invoice_id, taken=max(row.taken, 0), requested=requested, **standing)
        case "too_large":
            return AmountTooLarge(field="amount", reason="too_many_digits", max=18)
        case "drawn_on":
            return GrantDrawnOn(**standing)
        case "held":
            return GrantHeld(**standing)
        case "reversed_before":
            return AlreadyReversed(reversed_by=row.reversed_by)
    raise ValueError(f"credits_post answered {row.outcome!r}, which nobody here knows.")
