"""Why a row of a wallet's file is refused: by its type, its wallet, or the entry that it reverses."""

from decimal import Decimal

from billing import selectors
from kernel.backfills.adapters import UNKNOWN_TYPE, Account, Outcome
from kernel.backfills.reading.columns import quoted
from kernel.backfills.reading.rows import Posting, Reversible
from kernel.ledger.money import BALANCE_LIMIT


def type_refusal(posting: Posting) -> Outcome | None:
    """Why the row's type is refused, or doesn't fit its amount."""
    refusal: Outcome | None = posting.body["type_refusal"]
    return negative(posting.kind) if posting.body["negative"] else refusal


def unknown_type(code: str, *, is_strict: bool) -> Outcome:
    if is_strict:
        return Outcome(UNKNOWN_TYPE, f"the tenant is strict, and its catalogue has no type {quoted(code)}")
    return Outcome(UNKNOWN_TYPE, f"the catalogue has no type {quoted(code)}: map it with --map-value or give its direction with --new-type")


def wallet_refusal(account: Account, effect: Decimal) -> Outcome | None:
    """A copy of the last two conditions of billing/sql/billing_posting_refusal.sql, because a plan's balances aren't in the database."""
    balance, held, floor = account.now + effect, Decimal(account.terms["held"]), account.lower_limit
    if not selectors.plan_floor_allows(balance=balance, held=held, floor=floor):
        return Outcome("insufficient", f"{account.label} {selectors.below_floor_in_words(balance, held=held, floor=floor)}")
    if abs(balance) >= BALANCE_LIMIT:
        return Outcome("out_of_range", f"{account.label} would reach {balance:f}, which has too many digits")
    return None


def original_refusal(account: Account, posting: Posting, effect: Decimal) -> Outcome | None:
    """Why the posting can't reverse its original, or not so much of it."""
    if account.terms["is_reversal"]:
        return Outcome("not_reversible", f"{account.label} is itself a reversal")
    if account.unit != posting.amounts[0][0]:
        return other_currency(account.unit)
    if (same := same_sign(Decimal(account.terms["size"]), posting)) is not None:
        return same
    if account.now + effect >= 0:
        return None
    code = "exceeds_original" if account.now else "already_reversed"
    return Outcome(code, f"{account.now:f} is left of {account.label}")


def reversal_refusal(posting: Posting, original: Reversible) -> Outcome | None:
    """Why a reversal contradicts its row. The ledger would post it: it takes amount and currency from the original."""
    if posting.body["negative"]:
        return negative(posting.kind)
    if original.size is not None and original.unit != posting.amounts[0][0]:
        return other_currency(original.unit)
    return same_sign(original.size, posting)


def same_sign(size: Decimal | None, posting: Posting) -> Outcome | None:
    """The refusal of a reversal with the same effect as its original. Only rows of signed types can have one."""
    if size is None or size * posting.amounts[0][1] <= 0:
        return None
    return Outcome("invalid_value", "amount: a reversal has the sign of what it takes back")


def negative(kind: str) -> Outcome:
    return Outcome("invalid_value", f"amount: type {kind} takes a magnitude, not a negative amount")


def other_currency(unit: str) -> Outcome:
    """The refusal of a row in another currency than its original, whose wallet the ledger would post it to."""
    return Outcome("invalid_value", f"currency: what it takes back is in {unit}")
