"""The errors for refused outcomes of the posting functions."""

from collections.abc import Callable, Mapping
from typing import Any

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
from credits.selectors.balances import available
from kernel.ledger.errors import AlreadyReversed, LedgerError

# Outcomes of closings that changed nothing because there was nothing to do. They aren't errors.
NOTHING_TO_DO = frozenset({"nothing_left", "closed_before", "not_due"})


def posting_errors(*, requested: Any, invoice_id: str = "", reverses: Any = None) -> Mapping[str, Callable[[Any], LedgerError]]:
    """For each refused outcome of `credits_post` a function from its row to the error.

    `requested`: the posting's units; None for a reversal of all that is left.
    """

    def units_of(row: Any) -> Any:
        return row.left_to_reverse if requested is None else requested

    return {
        "not_found": lambda row: GrantNotFound(grant_id=str(row.grant_id)),
        "voided": lambda row: GrantVoided(**_balances_of(row)),
        "not_yet_effective": lambda row: GrantNotYetEffective(effective_date=row.effective_date, **_balances_of(row)),
        "expired": lambda row: GrantExpired(expiry_date=row.expiry_date, **_balances_of(row)),
        "insufficient": lambda row: InsufficientCredit(
            available=available(row.balance, row.held), requested=units_of(row), **_balances_of(row)
        ),
        "more_than_taken": lambda row: MoreThanTaken(
            invoice_id=invoice_id, taken=max(row.taken, 0), requested=units_of(row), **_balances_of(row)
        ),
        "too_large": lambda row: AmountTooLarge(field="amount", reason="balance_too_large", max=20),
        "drawn_on": lambda row: GrantDrawnOn(**_balances_of(row)),
        "held": lambda row: GrantHeld(**_balances_of(row)),
        "reversed_before": lambda row: AlreadyReversed(id=reverses, reversed_by=row.reversed_by),
        "exceeds_original": lambda row: ExceedsOriginal(id=reverses, requested=requested, remaining=row.left_to_reverse),
    }


def _balances_of(row: Any) -> dict[str, Any]:
    return {"grant_id": row.grant_id, "balance": row.balance, "held": row.held}
