"""The database has the last word: its named refusals, told as the ledger's own errors.

An app registers each constraint that a caller can run into (`refuses`), and wraps its public services in `@refusals`, which must
stand outside `transaction.atomic`: inside, it would cost a savepoint and miss the constraints that are checked at commit.
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

_REFUSALS: dict[str, Callable[[], LedgerError]] = {}
# Constraints that only a fault of ours can break: no caller's input leads there.
_INTERNAL: set[str] = set()

BUSY = {
    "55P03",  # lock_not_available
    "40P01",  # deadlock_detected
    "40001",  # serialization_failure
    "57014",  # query_canceled
    "53300",  # too_many_connections
}


def refuses(constraint: str, error: type[LedgerError], **facts: Any) -> None:
    """Register what a broken constraint means to the caller."""
    _REFUSALS[constraint] = lambda: error(**facts)


def is_internal(*constraints: str) -> None:
    """Register constraints that no caller's input can break."""
    _INTERNAL.update(constraints)


def known_constraints() -> set[str]:
    return set(_REFUSALS) | _INTERNAL


def refusals(service: Callable[P, R]) -> Callable[P, R]:
    """Tell the database's refusals as the ledger's errors; what has no name here is a fault and stays one."""

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
    if isinstance(cause, psycopg.Error) and (name := cause.diag.constraint_name) in _REFUSALS:
        return _REFUSALS[name]()
    if _is_busy(error):
        return Busy()
    if isinstance(error, OperationalError | InterfaceError):
        return OutcomeUnknown()
    return None


def _is_busy(error: Exception) -> bool:
    # PoolTimeout: every connection of this process is in use, and this call got none.
    return isinstance(error.__cause__, PoolTimeout) or getattr(error.__cause__, "sqlstate", None) in BUSY
