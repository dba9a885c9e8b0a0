"""Turns errors of the database into the ledgers' own errors.

An app registers each constraint that a caller can run into with `register_error`, and wraps its public services in
`@translate_db_errors`. The decorator must stand outside `transaction.atomic`: inside, it would cost a savepoint and miss the constraints
that are checked at commit.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from kernel.ledger.errors import Busy, LedgerError, OutcomeUnknown

P = ParamSpec("P")
R = TypeVar("R")

_ERRORS: dict[str, Callable[[], LedgerError]] = {}
# Constraints that only a fault of ours can break: no caller's input leads there.
_INTERNAL: set[str] = set()

BUSY = {
    "55P03",  # lock_not_available
    "40P01",  # deadlock_detected
    "40001",  # serialization_failure
    "57014",  # query_canceled
    "53300",  # too_many_connections
}


def register_error(constraint: str, error: type[LedgerError], **facts: Any) -> None:
    """Register what a broken constraint means to the caller."""
    _ERRORS[constraint] = lambda: error(**facts)


def register_internal(*constraints: str) -> None:
    """Register constraints that no caller's input can break."""
    _INTERNAL.update(constraints)


def registered_constraints() -> set[str]:
    return set(_ERRORS) | _INTERNAL


def translate_db_errors(service: Callable[P, R]) -> Callable[P, R]:
    """Raises the ledger's error for a database error that has one; any other is a fault of ours and passes unchanged."""

    @functools.wraps(service)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return service(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            told = _told(error)
            if told is None:
                raise
            raise told from error

    return call


def moved_nothing(error: Exception) -> bool:
    """Whether a failed call certainly left nothing in the book: the database said no, or was never asked."""
    return not isinstance(error, OperationalError | InterfaceError) or _is_busy(error)


def _told(error: Exception) -> LedgerError | None:
    cause = error.__cause__
    if isinstance(cause, psycopg.Error) and (name := cause.diag.constraint_name) in _ERRORS:
        return _ERRORS[name]()
    if _is_busy(error):
        return Busy()
    if isinstance(error, OperationalError | InterfaceError):
        return OutcomeUnknown()
    return None


def _is_busy(error: Exception) -> bool:
    # PoolTimeout: every connection of this process is in use, and this call got none.
    return isinstance(error.__cause__, PoolTimeout) or getattr(error.__cause__, "sqlstate", None) in BUSY
