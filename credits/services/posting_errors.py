"""The errors for what the posting functions refuse, and the form in which digests and outcomes pass between them and Python."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from credits.errors import (
    AmountTooLarge,
    ExceedsOriginal,
    GrantDrawnOn,
    GrantExpired,
    GrantHeld,
    GrantNotFound,
    GrantNotYetEffective,
    GrantVoided,
    InsufficientCredit,
    MoreThanTaken,
)
from kernel.ledger.errors import AlreadyReversed, LedgerError
from kernel.ledger.outcomes import Posted

# Closings that found their effect in the book already, or nothing to do.
NOTHING_TO_DO = frozenset({"nothing_left", "closed_before", "not_due"})


def bytea(digest: bytes) -> str:
    """A digest as PostgreSQL reads it from JSON."""
    return f"\\x{digest.hex()}"


def from_bytea(written: str | None) -> bytes | None:
    """The digest that `bytea` wrote."""
    return None if written is None else bytes.fromhex(written[2:])


def grant_uuid(grant_id: UUID | str) -> UUID:
    """The id of a grant as the caller wrote it. Raises GrantNotFound: what is no id names no grant."""
    if isinstance(grant_id, UUID):
        return grant_id
    try:
        return UUID(grant_id)
    except ValueError as error:
        raise GrantNotFound(grant_id=grant_id) from error


def row_of(outcome: Posted | LedgerError) -> Any:
    """The posted row, whose `outcome` says "replayed" where an earlier call posted it; an error passes as it is."""
    if isinstance(outcome, LedgerError):
        return outcome
    return outcome.row._replace(outcome="replayed") if outcome.replayed else outcome.row


def posting_errors(*, requested: Any, invoice_id: str = "", reverses: Any = None) -> Mapping[str, Callable[[Any], LedgerError]]:
    """The error of each outcome of `credits_post` that moved nothing, for a posting of `requested` units."""
    return {
        "not_found": lambda row: GrantNotFound(grant_id=str(row.grant_id)),
        "voided": lambda row: GrantVoided(**_standing(row)),
        "not_yet_effective": lambda row: GrantNotYetEffective(effective_date=row.effective_date, **_standing(row)),
        "expired": lambda row: GrantExpired(expiry_date=row.expiry_date, **_standing(row)),
        "insufficient": lambda row: InsufficientCredit(available=row.balance - row.held, requested=requested, **_standing(row)),
        "more_than_taken": lambda row: MoreThanTaken(invoice_id=invoice_id, taken=max(row.taken, 0), requested=requested, **_standing(row)),
        "too_large": lambda row: AmountTooLarge(field="amount", reason="balance_too_large", max=20),
        "drawn_on": lambda row: GrantDrawnOn(**_standing(row)),
        "held": lambda row: GrantHeld(**_standing(row)),
        "reversed_before": lambda row: AlreadyReversed(id=reverses, reversed_by=row.reversed_by),
        "exceeds_original": lambda row: ExceedsOriginal(id=reverses, requested=requested, remaining=row.left_to_reverse),
    }


def _standing(row: Any) -> dict[str, Any]:
    return {"grant_id": row.grant_id, "balance": row.balance, "held": row.held}
