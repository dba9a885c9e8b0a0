"""The errors of the billing ledger, and the database constraints that raise them."""

from kernel.ledger.database_errors import register_error
from kernel.ledger.errors import IdempotencyConflict, LedgerError


class UnknownType(LedgerError):
    """A tenant that is strict about types doesn't have this one in its catalogue. Facts: field, value."""

    code = "unknown_type"


class OutOfRange(LedgerError):
    """The wallet's balance would have more digits than its column. Facts: balance, requested, currency."""

    code = "out_of_range"


class NotReversible(LedgerError):
    """A reversal can't itself be reversed: record the amount again instead. Facts: id."""

    code = "not_reversible"


class ExceedsOriginal(LedgerError):
    """The amount to reverse is larger than what remains of the entry. Facts: id, requested, remaining."""

    code = "exceeds_original"


class DirectionInUse(LedgerError):
    """The direction of a type that transactions use can't change. Facts: type, direction."""

    code = "direction_in_use"


class FloorAboveBalance(LedgerError):
    """The new floor is above the balance less what is held. Facts: balance, held, floor."""

    code = "floor_above_balance"


class BelowFloor(LedgerError):
    """The database refuses a balance less what is held below the wallet's floor, which the floor rule allows: they differ. No facts.

    A fault of ours: CONTRIBUTING.md lists the copies of the rule, which change together.
    """

    code = "below_floor"
    reason = "the constraint billing_wallet_floor_check refuses what billing_floor_allows allows"


class HoldConflict(IdempotencyConflict):
    """The key of a call on a hold was used before with other facts. Facts: first_id (of the hold, or of a capture's debit), fields."""

    code = "hold_conflict"


class UsageNotADebit(LedgerError):
    """A capture posts a debit of the type `usage`, and the tenant has defined that type otherwise. Facts: type, direction."""

    code = "usage_not_a_debit"


# Postings, holds and set_floor ask billing_floor_allows first, so they meet this constraint only where it is stricter than the function.
register_error("billing_wallet_floor_check", BelowFloor)
# A type was defined while a posting that uses it was under way: the posting is made again.
register_error("billing_transaction_type_fkey", DirectionInUse)
