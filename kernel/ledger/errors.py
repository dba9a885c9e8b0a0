"""Errors of the ledgers. When one of these is raised nothing was recorded, except with OutcomeUnknown: then it may have been."""

from kernel.base.errors import DomainError


class LedgerError(DomainError):
    """The base of every ledger's errors. `reason`: the database's own message, for operators and never for callers; may be empty."""

    code = "ledger_refusal"
    reason = ""


class NotFound(LedgerError):
    """No such row in this tenant's ledger: another tenant's id is the same as one that never existed. Facts: kind, id."""

    code = "not_found"


class InvalidValue(LedgerError):
    """A value that its field's type allows and the ledger doesn't. Facts: field, reason, and the reason's own details."""

    code = "invalid_value"


class IdempotencyConflict(LedgerError):
    """The key was used before with other facts. Facts: first_id, fields (the names that differ)."""

    code = "idempotency_conflict"


class Insufficient(LedgerError):
    """The account's balance doesn't cover the debit. Facts: balance, requested, and what else limits it."""

    code = "insufficient"


class AlreadyReversed(LedgerError):
    """Facts: id, reversed_by."""

    code = "already_reversed"


class Busy(LedgerError):
    """A lock wasn't free in time, or two calls conflicted. Nothing moved; the same call may be repeated at once.

    The APIs answer 503 (kernel/api/dialect.py).
    """

    code = "busy"


class LedgerUnavailable(LedgerError):
    """The database takes no postings: it is read-only or full, refuses the role, a grant is missing, or statements run into
    statement_timeout (a statement that is cancelled is rolled back as a whole).

    Nothing moved. Repeating the call doesn't help until an operator has acted; `reason` says on what. `is_cancelled`: the statement took
    too long or was cancelled, so a run without a caller who waits may try again.
    """

    code = "unavailable"
    is_cancelled = False


class OutcomeUnknown(LedgerError):
    """The connection was lost while the database worked; every other failure says that nothing was recorded.

    The call was recorded once or not at all; repeat it with the same key.
    """

    code = "outcome_unknown"


class WrongState(LedgerError):
    """The row's state doesn't allow that. Facts: id, state, allowed."""

    code = "wrong_state"


class LedgerBroken(LedgerError):
    """The entries themselves contradict each other, so nothing can be rebuilt from them. Facts: check, and the row that breaks it."""

    code = "ledger_broken"
