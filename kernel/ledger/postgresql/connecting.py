"""Connecting to the database: where that fails, nothing was sent, and callers learn why.

A pool connects in the background and repeats what failed, and its waiting callers learn only that time is up. These pools remember how the
last attempt failed. Where the database refuses the login, which only an operator can mend, a caller waits FIRST_WAIT_SECONDS. Where the
server doesn't answer, as during a restart, a caller waits for the pool's whole time.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

# Long enough for an attempt to fail, short enough for a caller.
FIRST_WAIT_SECONDS = 1.0
# A pool gives an attempt up after so long, and the next caller begins another: without it, the pauses between attempts become minutes.
RECONNECT_SECONDS = 10.0
# What a server, or a pooler in front of it, says of a login that it will refuse again. A failed connection has no SQLSTATE.
REFUSED = re.compile(
    r"not permitted to log in|authentication failed|auth failed|no pg_hba\.conf entry|pg_hba\.conf rejects|permission denied"
    r"|does not exist|not currently accepting connections|no such (?:user|database)"
)
WORDS_OF_SERVER = re.compile(r"FATAL:\s*(.+)")


class NotConnected(psycopg.OperationalError):
    """There is no connection, so nothing was sent. `is_refused`: the database refuses the login until an operator has acted."""

    def __init__(self, error: psycopg.Error) -> None:
        text = str(error)
        words = WORDS_OF_SERVER.search(text)
        super().__init__(words[1] if words else text.partition("\n")[0])
        self.is_refused = words is not None and REFUSED.search(words[1]) is not None


class _LastAttempt:
    """How the last attempt of this process to connect failed; None if it succeeded."""

    failure: NotConnected | None = None


@contextmanager
def _remembered() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        _LastAttempt.failure = NotConnected(error)
        raise
    _LastAttempt.failure = None


class _PooledConnection(psycopg.Connection[Any]):
    @classmethod
    def connect(cls, *args: Any, **kwargs: Any) -> "psycopg.Connection[Any]":  # type: ignore[override]
        with _remembered():
            return super().connect(*args, **kwargs)


class _AsyncPooledConnection(psycopg.AsyncConnection[Any]):
    @classmethod
    async def connect(cls, *args: Any, **kwargs: Any) -> "psycopg.AsyncConnection[Any]":  # type: ignore[override]
        with _remembered():
            return await super().connect(*args, **kwargs)


def _waits(timeout: float) -> Iterator[float]:
    """The times (seconds) for which a caller waits: after the first one it gives up if the database refuses the login."""
    first = min(timeout, FIRST_WAIT_SECONDS)
    yield first
    failure = _LastAttempt.failure
    if timeout > first and not (failure and failure.is_refused):
        yield timeout - first


class Pool(ConnectionPool[Any]):
    """For threads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(connection_class=_PooledConnection, reconnect_timeout=RECONNECT_SECONDS, **options)

    def getconn(self, timeout: float | None = None) -> Any:
        """Raises NotConnected, or PoolTimeout where all connections are in use."""
        for seconds in _waits(self.timeout if timeout is None else timeout):
            try:
                return super().getconn(seconds)
            except PoolTimeout as error:
                timed_out = error
        raise _LastAttempt.failure or timed_out


class AsyncPool(AsyncConnectionPool[Any]):
    """For an event loop."""

    def __init__(self, **options: Any) -> None:
        super().__init__(connection_class=_AsyncPooledConnection, reconnect_timeout=RECONNECT_SECONDS, **options)

    async def getconn(self, timeout: float | None = None) -> Any:
        """Raises NotConnected, or PoolTimeout where all connections are in use."""
        for seconds in _waits(self.timeout if timeout is None else timeout):
            try:
                return await super().getconn(seconds)
            except PoolTimeout as error:
                timed_out = error
        raise _LastAttempt.failure or timed_out
