"""The errors of this ledger, and the error that is raised for each database constraint."""

from kernel.ledger.database_errors import register_error
from kernel.ledger.errors import IdempotencyConflict, Insufficient, InvalidValue, LedgerError, NotFound


class GrantNotFound(NotFound):
    """A posting names a grant that isn't in this ledger. Facts: grant_id."""

    code = "grant_not_found"


class InsufficientCredit(Insufficient):
    """A grant, or a customer's grants together, can't cover a debit or a hold.

    Facts: balance, held, available, requested; grant_id or customer_id.
    """

    code = "insufficient_credit"


class GrantNotYetEffective(LedgerError):
    """A debit counts for a day before the grant's first one. Facts: grant_id, effective_date."""

    code = "grant_not_yet_effective"


class GrantExpired(LedgerError):
    """A debit counts for a day after the grant's last one. Facts: grant_id, expiry_date."""

    code = "grant_expired"


class GrantVoided(LedgerError):
    """A voided grant takes no debits or credits. Facts: grant_id, balance, held."""

    code = "grant_voided"


class GrantDrawnOn(LedgerError):
    """A grant that a transaction or hold has used can't be deleted; void it instead. Facts: grant_id, balance, held."""

    code = "grant_drawn_on"


class GrantHeld(LedgerError):
    """A grant can't be voided while a hold reserves a part of it. Facts: grant_id, balance, held."""

    code = "grant_held"


class MoreThanTaken(LedgerError):
    """A credit that cites an invoice gives back more than that invoice took from the grant.

    Facts: grant_id, invoice_id, taken, requested, balance, held.
    """

    code = "more_than_taken"


class NotReversible(LedgerError):
    """A transaction of this kind can't be reversed: see REVERSIBLE in credits/choices.py. Facts: id, kind."""

    code = "not_reversible"


class ExceedsOriginal(LedgerError):
    """A reversal of more than is left of the transaction to reverse. Facts: id, requested, remaining."""

    code = "exceeds_original"


class NothingToReinstate(LedgerError):
    """This invoice took nothing from this customer's grants. Facts: invoice_id, customer_id."""

    code = "nothing_to_reinstate"


class AmountTooLarge(InvalidValue):
    """The balance would have more digits than its column. Facts: field, reason, max."""

    code = "invalid_value"


register_error("credits_grant_idempotency", IdempotencyConflict)
register_error("credits_consumption_idempotency", IdempotencyConflict)
register_error("credits_hold_idempotency", IdempotencyConflict)
register_error("credits_holdcall_idempotency", IdempotencyConflict)
register_error("credits_transaction_idempotency", IdempotencyConflict)
register_error("credits_recurringgrant_idempotency", IdempotencyConflict)
register_error("credits_grant_dates_in_order", InvalidValue, field="expiry_date", reason="before_effective_date")
register_error("credits_grant_priority_range", InvalidValue, field="priority", reason="out_of_range")
register_error("credits_grant_priority_check", InvalidValue, field="priority", reason="out_of_range")
register_error("credits_recurringgrant_priority_check", InvalidValue, field="priority", reason="out_of_range")
register_error("credits_recurringgrant_every_months_check", InvalidValue, field="every_months", reason="out_of_range")
register_error("credits_grant_metric_named", InvalidValue, field="metric_id", reason="missing")
register_error("credits_grant_currency_code", InvalidValue, field="currency", reason="unknown_currency")
register_error("credits_grant_amount_positive", InvalidValue, field="amount", reason="not_positive")
register_error("credits_grant_amounts_finite", InvalidValue, field="amount", reason="too_many_digits", max=18)
register_error("credits_grant_cost_not_negative", InvalidValue, field="cost_of_credit", reason="negative")
register_error("credits_transaction_amount_positive", InvalidValue, field="amount", reason="not_positive")
register_error("credits_transaction_amounts_finite", InvalidValue, field="amount", reason="too_many_digits", max=18)
register_error("credits_consumption_amount_positive", InvalidValue, field="amount", reason="not_positive")
register_error("credits_consumption_amount_finite", InvalidValue, field="amount", reason="too_many_digits", max=18)
register_error("credits_hold_amount_positive", InvalidValue, field="amount", reason="not_positive")
register_error("credits_hold_amount_finite", InvalidValue, field="amount", reason="too_many_digits", max=18)
register_error("credits_recurringgrant_amount_positive", InvalidValue, field="amount", reason="not_positive")
register_error("credits_recurringgrant_amount_finite", InvalidValue, field="amount", reason="too_many_digits", max=18)
register_error("credits_recurringgrant_priority_range", InvalidValue, field="priority", reason="out_of_range")
register_error("credits_recurringgrant_months_range", InvalidValue, field="every_months", reason="out_of_range")
register_error("credits_recurringgrant_cap_not_negative", InvalidValue, field="rollover_cap", reason="negative")
register_error("credits_recurringgrant_cost_not_negative", InvalidValue, field="cost_of_credit", reason="negative")
# Only an import sets the recurring grant and the period of a grant from outside.
register_error("credits_grant_recurring_grant_fkey", NotFound, kind="recurring grant")
register_error("credits_grant_period", InvalidValue, field="period", reason="taken")
