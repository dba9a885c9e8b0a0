"""The errors of the billing ledger, and the database constraints that raise them."""

from kernel.ledger.constraints import register_error, register_internal
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


class HoldConflict(IdempotencyConflict):
    """The key of a call on a hold was used before with other facts. Facts: first_id (of the hold, or of a capture's debit), fields."""

    code = "hold_conflict"


class UsageNotADebit(LedgerError):
    """A capture posts a debit of the type `usage`, and the tenant has defined that type otherwise. Facts: type, direction."""

    code = "usage_not_a_debit"


# A posting meets this constraint only where billing_floor_allows is looser than it: change both. Its callers set floors.
register_error("billing_wallet_floor_check", FloorAboveBalance)
# A type was defined while a posting that uses it was under way: the posting is made again.
register_error("billing_transaction_type_fkey", DirectionInUse)
register_internal(
    "billing_policy_tenant_key",
    "billing_policy_default_floor_check",
    "billing_policy_near_duplicate_seconds_check",
    "billing_policy_default_floor_finite",
    "billing_transactiontype_code_key",
    "billing_transactiontype_direction_key",
    "billing_transactiontype_direction_check",
    "billing_transactiontype_code_check",
    "billing_transactiontype_uncatalogued_check",
    "billing_wallet_currency_key",
    "billing_wallet_currency_check",
    "billing_wallet_last_entry_check",
    "billing_wallet_amounts_finite",
    "billing_transaction_reference_key",
    "billing_transaction_entry_key",
    "billing_transaction_entry_number_check",
    "billing_transaction_reference_check",
    "billing_transaction_amount_check",
    "billing_transaction_effect_check",
    "billing_transaction_reversed_check",
    "billing_transaction_reversed_by_check",
    "billing_transaction_flags_check",
    "billing_transaction_reason_check",
    "billing_transaction_amounts_finite",
    "billing_transaction_wallet_fkey",
    "billing_transaction_reverses_fkey",
    "billing_transaction_reversed_by_fkey",
    "billing_transaction_near_duplicate_of_fkey",
    "billing_policy_longest_hold_check",
    "billing_policy_longest_hold_seconds_check",
    "billing_wallet_held_check",
    "billing_wallethold_reference_key",
    "billing_wallethold_reference_check",
    "billing_wallethold_amount_check",
    "billing_wallethold_captured_check",
    "billing_wallethold_status_check",
    "billing_wallethold_closed_check",
    "billing_wallethold_amount_finite",
    "billing_wallethold_wallet_fkey",
    "billing_walletholdentry_reference_key",
    "billing_walletholdentry_kind_check",
    "billing_walletholdentry_amount_check",
    "billing_walletholdentry_held_check",
    "billing_walletholdentry_debit_check",
    "billing_walletholdentry_amount_finite",
    "billing_walletholdentry_wallet_fkey",
    "billing_walletholdentry_hold_fkey",
    "billing_walletholdentry_transaction_fkey",
    "billing_dailytotal_day_key",
    "billing_dailytotal_magnitude_check",
)
