"""How a statement reaches the database: from a thread, which blocks, or from a greenlet on the event loop, which awaits.

`current_execution` is the only place that decides between the two; everything else calls the methods that both have.
"""

import asyncio
import functools
import threading
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from psycopg import AsyncCursor, Connection, Cursor
from psycopg.postgres import types
from psycopg.rows import no_result
from psycopg.types.datetime import TimestamptzLoader

from kernel.ledger.postgresql.base import is_closed_by_server
from kernel.ledger.postgresql.connecting import AsyncPool
from kernel.ledger.posting import greenlets, plan_discards

TIMESTAMPTZ = types["timestamptz"].oid
Parameters = Sequence[Any] | Mapping[str, Any]
_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, AsyncPool]]" = WeakKeyDictionary()


class WakeEvent(Protocol):
    """An event that one caller waits for and that is set once, from any thread."""

    def wait(self, timeout: float) -> bool:
        """Waits until it is set; False after so many seconds."""

    def set(self) -> None: ...


class InThread:
    """Statements of a thread, over its own Django connection."""

    def run(self, statement: str, parameters: Parameters, *, using: str) -> list[Any]:
        """The rows of one prepared statement, as named tuples. Raises Django's database errors."""
        return self.call_function(statement, parameters, function=statement, postings=1, using=using)

    def call_function(self, statement: str, parameters: Parameters, *, function: str, postings: int, using: str) -> list[Any]:
        """As `run`, for a call of a posting function, whose postings plan_discards counts."""
        with _borrowed_connection(using) as connection:
            rows = _run(connection, statement, parameters, using=using)
            if plan_discards.count_and_check(connection, function, postings=postings):
                connection.execute(plan_discards.DISCARD_PLANS)
            return rows

    def new_event(self) -> WakeEvent:
        return ThreadWakeEvent()

    def yield_to_loop(self) -> None:
        """Does nothing: other callers run in threads of their own, which this one doesn't block."""

    def release_connection(self, using: str) -> None:
        """Gives this thread's pooled connection back before it waits. If waiters held the whole pool, the next batch would find none."""
        connection = connections[using]
        if connection.settings_dict["OPTIONS"].get("pool"):
            connection.close()


class OnLoop:
    """Statements of a greenlet, over the loop's own pool."""

    def run(self, statement: str, parameters: Parameters, *, using: str) -> list[Any]:
        raise SynchronousOnlyOperation("On the event loop, wrap what reads the database in greenlets.run_or_retry_in_thread.")

    def call_function(self, statement: str, parameters: Parameters, *, function: str, postings: int, using: str) -> list[Any]:
        with connections[using].wrap_database_errors:
            return greenlets.await_only(_run_on_loop(statement, parameters, function=function, postings=postings, using=using))

    def new_event(self) -> WakeEvent:
        task = greenlets.current_task()
        assert task is not None
        return greenlets.LoopWakeEvent(task.loop)

    def yield_to_loop(self) -> None:
        greenlets.yield_to_loop()

    def release_connection(self, using: str) -> None:
        """A greenlet holds a connection only while its statement runs."""


Execution = InThread | OnLoop
IN_THREAD, ON_LOOP = InThread(), OnLoop()


def current_execution() -> Execution:
    """Whether the calling code runs in a thread or in a greenlet."""
    return IN_THREAD if greenlets.current_task() is None else ON_LOOP


class ThreadWakeEvent:
    """A lock does what threading.Event does for one waiter, at a fraction of its time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, timeout: float) -> bool:
        return self._lock.acquire(timeout=timeout)

    def set(self) -> None:
        self._lock.release()


@contextmanager
def _borrowed_connection(using: str) -> Iterator["Connection[Any]"]:
    """The thread's own connection if it has one open, else one of the pool's for as long as it is needed. Raises Django's database errors.

    Django itself would hold a pooled connection until the request ends, and making it ready takes as long as sending the statement does.
    """
    connection: Any = connections[using]
    is_open = connection.connection is not None or connection.in_atomic_block
    with connection.wrap_database_errors:
        if is_open or not (pool := connection.pool):
            if is_open and not connection.in_atomic_block and is_closed_by_server(connection.connection):
                connection.drop_connection()
            connection.ensure_connection()
            yield connection.connection
            return
        pool.open()
        borrowed = _open_connection(pool)
        try:
            # A pooled connection may come back with autocommit off; without this line the posting would never commit.
            borrowed.autocommit = True
            yield borrowed
        finally:
            pool.putconn(borrowed)


def _open_connection(pool: Any) -> "Connection[Any]":
    """A connection of a pool, past those that the server has closed, as all are after a restart. Raises PoolTimeout."""
    connection: Connection[Any]
    while is_closed_by_server(connection := pool.getconn()):
        connection.close()
        # The pool replaces a closed connection by a new one.
        pool.putconn(connection)
    return connection


def _run(connection: "Connection[Any]", statement: str, parameters: Parameters, *, using: str) -> list[Any]:
    if connections[using].queries_logged:
        # Django's log doesn't see this cursor, and tests count queries by that log.
        connections[using].queries_log.append({"sql": statement, "time": ""})
    with Cursor(connection, row_factory=_named_rows) as cursor:
        _load_times_fast(cursor)
        cursor.execute(statement, parameters, prepare=True)
        return cursor.fetchall()


def _load_times_fast(cursor: "Cursor[Any] | AsyncCursor[Any]") -> None:
    """Django reads each moment in Python, to give it its time zone. Our sessions' zone is UTC, which psycopg's own loader in C gives it."""
    cursor.adapters.register_loader(TIMESTAMPTZ, TimestamptzLoader)


async def _run_on_loop(statement: str, parameters: Parameters, *, function: str, postings: int, using: str) -> list[Any]:
    pool = await _loop_pool(using)
    connection = await _open_loop_connection(pool)
    try:
        async with AsyncCursor(connection, row_factory=_named_rows) as cursor:
            _load_times_fast(cursor)
            await cursor.execute(statement, parameters, prepare=True)
            rows = await cursor.fetchall()
        if plan_discards.count_and_check(connection, function, postings=postings):
            await connection.execute(plan_discards.DISCARD_PLANS)
        return rows
    finally:
        await pool.putconn(connection)


async def _loop_pool(using: str) -> AsyncPool:
    """The loop's own connections, opened as they are needed; batches need one or two."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    if using not in pools:
        parameters = connections[using].get_connection_params() | {"cursor_factory": AsyncCursor, "autocommit": True}
        max_size = max(settings.DATABASE_POOL_SIZE, settings.LEDGER_BATCHING_CALLS + 1)
        pools[using] = AsyncPool(kwargs=parameters, open=False, min_size=1, max_size=max_size, timeout=10)
    pool = pools[using]
    if pool.closed:
        await pool.open()
    return pool


async def _open_loop_connection(pool: AsyncPool) -> Any:
    """As _open_connection, for the loop's pool."""
    while is_closed_by_server(connection := await pool.getconn()):
        await connection.close()
        await pool.putconn(connection)
    return connection


async def close_loop_pools() -> None:
    """Closes the running loop's connections: at its end."""
    for pool in _pools.pop(asyncio.get_running_loop(), {}).values():
        await pool.close()


@functools.cache
def row_maker(names: tuple[bytes, ...] | tuple[str, ...]) -> Callable[[Iterable[Any]], Any]:
    """Makes named tuples with these fields. Only the statement knows the types of its rows."""
    make_class: Any = namedtuple
    make_row: Callable[[Iterable[Any]], Any] = make_class("Row", [name if isinstance(name, str) else name.decode() for name in names])._make
    return make_row


def _named_rows(cursor: Any) -> Callable[[Sequence[Any]], Any]:
    """psycopg's namedtuple_row without the work that it repeats for each call."""
    result = cursor.pgresult
    if result is None or not result.nfields:
        return no_result
    return row_maker(tuple([result.fname(number) for number in range(result.nfields)]))
