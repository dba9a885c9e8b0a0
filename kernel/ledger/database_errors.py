"""Turns errors of the database into the ledgers' own errors: a lock timeout (55P03) into Busy, which the APIs answer with 503.

An app registers each constraint that a caller can run into with `register_error`, and wraps its public services in
`@translate_db_errors`. The decorator must stand outside `transaction.atomic`: inside, it would cost a savepoint and miss the constraints
that are checked at commit.
"""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import psycopg
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from kernel.ledger.errors import Busy, LedgerError, LedgerUnavailable, OutcomeUnknown
from kernel.ledger.postgresql.connecting import NotConnected

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger("countinghouse.ledger")

_ERRORS: dict[str, Callable[[], LedgerError]] = {}

# An error of a Citus worker comes without the field for the constraint. Its text ends with the name, of a key's constraint with the number
# of the shard behind it.
CONSTRAINT_IN_TEXT = re.compile(r'"(\w+?)(?:_\d+)?"\W*$')

# The call may succeed when it is repeated.
BUSY = {
    "55P03",  # lock_not_available
    "40P01",  # deadlock_detected
    "40001",  # serialization_failure
    "53300",  # too_many_connections
}
CANCELLED = "57014"  # query_canceled: by statement_timeout or by an operator
# No call of this kind succeeds until an operator has acted. Nothing is recorded meanwhile.
UNAVAILABLE = {
    "25006",  # read_only_sql_transaction
    "42501",  # insufficient_privilege
    "53100",  # disk_full
    "53200",  # out_of_memory
    CANCELLED,
}


def register_error(constraint: str, error: type[LedgerError], **facts: Any) -> None:
    """Register what a broken constraint means to the caller."""
    _ERRORS[constraint] = lambda: error(**facts)


def registered_constraints() -> set[str]:
    """The constraints that have an error."""
    return set(_ERRORS)


def translate_db_errors(service: Callable[P, R]) -> Callable[P, R]:
    """Raises the ledger's error for a database error that has one; any other is a fault of ours and passes unchanged.

    Busy, OutcomeUnknown and LedgerUnavailable carry the text of the database in `reason`. It is logged here, because the reply that the
    caller gets hides the cause from the operator.
    """

    @functools.wraps(service)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return service(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            translated = ledger_error_of(error)
            if translated is None:
                raise
            log_database_error(translated, error, service=f"{service.__module__}.{service.__qualname__}")
            raise translated from error

    return call


def certainly_posted_nothing(error: Exception) -> bool:
    """Whether a failed call certainly left nothing in the ledger: the database said no, or was never asked."""
    return (
        not isinstance(error, OperationalError | InterfaceError)
        or isinstance(error.__cause__, NotConnected)
        or _is_busy(error)
        or _sqlstate(error) in UNAVAILABLE
    )


def constraint_of(error: psycopg.Error) -> str | None:
    """The name of the constraint that a statement broke; None where it broke none."""
    if error.diag.constraint_name or not isinstance(error, psycopg.IntegrityError):
        return error.diag.constraint_name
    found = CONSTRAINT_IN_TEXT.search(error.diag.message_primary or "")
    return found[1] if found else None


def ledger_error_of(error: Exception) -> LedgerError | None:
    """The ledger's error for an error of the database; None for a fault of ours."""
    cause = error.__cause__
    if isinstance(cause, psycopg.Error) and (name := constraint_of(cause)) in _ERRORS:
        return _ERRORS[name]()
    translated: LedgerError
    if isinstance(cause, NotConnected):
        translated = LedgerUnavailable() if cause.is_refused else Busy()
    elif (sqlstate := _sqlstate(error)) in UNAVAILABLE:
        translated = LedgerUnavailable()
        translated.is_cancelled = sqlstate == CANCELLED
    elif _is_busy(error):
        translated = Busy()
    elif isinstance(error, OperationalError | InterfaceError):
        translated = OutcomeUnknown()
    else:
        return None
    translated.reason = _reason(error)
    return translated


def _is_busy(error: Exception) -> bool:
    # PoolTimeout: every connection of this process is in use, and this call got none.
    return isinstance(error.__cause__, PoolTimeout) or _sqlstate(error) in BUSY


def _sqlstate(error: Exception) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def _reason(error: Exception) -> str:
    """The database's own words, or the driver's where the database said nothing. Without details: these may hold a caller's values."""
    cause = error.__cause__
    primary = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return primary or str(error).partition("\n")[0] or type(cause or error).__name__


def reason_for_operators(error: BaseException) -> str:
    """The first line of the database's own message, else of the error's. It may hold a caller's values."""
    cause = next((one for one in _causes(error) if isinstance(one, psycopg.Error)), error)
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def log_database_error(translated: LedgerError, error: Exception, *, service: str) -> None:
    """One line for operators with the database's own words. None for what a caller's own values caused."""
    if not translated.reason:
        return
    write = log.error if isinstance(translated, LedgerUnavailable) else log.warning
    write("database_error", error=translated.code, sqlstate=_sqlstate(error), reason=translated.reason, service=service)
