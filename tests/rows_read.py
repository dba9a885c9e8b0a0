"""How many rows the database has read: what a plan costs, without a clock."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection

from kernel.ledger.database_functions.migration_operations import FIRST_STATISTICS
from tests.database_clock import APPLICATION_NAME

# Statistics can be cleared since PostgreSQL 18; before it the tests run with what is there.
FORGET = "SELECT pg_clear_attribute_stats(schemaname, tablename, attname, inherited) FROM pg_stats WHERE tablename = ANY (%s)"


def rows_read(*tables: str) -> int:
    """Of these tables so far, through indexes or without."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read) FROM pg_stat_user_tables WHERE relname = ANY (%s)", [list(tables)]
        )
        return int(cursor.fetchone()[0])


def index_blocks_read(*tables: str) -> int:
    """Of the indexes of these tables so far: an index that is read whole for one row counts here, and not among the rows.

    The tables' own blocks don't count: PostgreSQL keeps the old versions of an updated row, and reads past them, as long as a transaction
    is open in any database of the server, for example one of a test that runs beside this one.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT sum(coalesce(idx_blks_read + idx_blks_hit, 0)) FROM pg_statio_user_tables WHERE relname = ANY (%s)",
            [list(tables)],
        )
        return int(cursor.fetchone()[0])


# Arrays as they are gathered from many callers, or sent by one.
SIZES = (2, 16, 3, 64, 5, 30)


@contextmanager
def several_connections(count: int = 3) -> Iterator[Callable[..., Any]]:
    """Calls functions in threads with a connection each, in turn, as a server does: each connection has plans of its own."""
    threads = [ThreadPoolExecutor(1) for _ in range(count)]
    turns = itertools.cycle(threads)
    try:
        yield lambda function, *arguments, **named: next(turns).submit(_counted_at_once, function, *arguments, **named).result()
    finally:
        for thread in threads:
            thread.submit(_close_connection).result()
            thread.shutdown()


def _close_connection() -> None:
    connection.close()  # The thread's own: the name stands for another connection in each thread.


def _counted_at_once(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """PostgreSQL adds up what a session has read about once a second, and when it is asked to."""
    result = function(*arguments, **named)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
    return result


def arrays_of_each_size(rows: list[Any]) -> Iterator[list[Any]]:
    """The rows in arrays of SIZES, over and over; the last may be smaller."""
    sizes, rest = itertools.cycle(SIZES), iter(rows)
    while array := list(itertools.islice(rest, next(sizes))):
        yield array


def analysed_when_small(*tables: str, first_rows: Callable[[], object], small_tenant: Callable[[], object]) -> None:
    """What the planner knows of a ledger that was analysed when it had a few rows, and has grown since."""
    _forget(tables)
    first_rows()
    _analyse(tables)


def analysed_when_empty(*tables: str, first_rows: Callable[[], object], small_tenant: Callable[[], object]) -> None:
    """As autovacuum may do right after the migrations: it now takes every table for empty."""
    _forget(tables)
    _analyse(tables)
    first_rows()


def analysed_with_small_tenants(*tables: str, first_rows: Callable[[], object], small_tenant: Callable[[], object]) -> None:
    """What it knows of a ledger of many tenants with a row or two each, before one of them grows."""
    _forget(tables)
    for _ in range(30):
        small_tenant()
    _analyse(tables)
    first_rows()


def never_analysed(*tables: str, first_rows: Callable[[], object], small_tenant: Callable[[], object]) -> None:
    """What it knows right after the migrations."""
    _forget(tables)
    first_rows()


def wait_for_closed_sessions(cursor: Any, seconds: float = 10) -> None:
    """Until no session that was closed is left in this database: its server process adds what it has read when it ends, a moment later."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND application_name <> %s",
            [APPLICATION_NAME],
        )
        if not cursor.fetchone()[0]:
            return
        time.sleep(0.05)


def _forget(tables: tuple[str, ...]) -> None:
    """Only the statistics that migrations give stay, whatever a test before this one has analysed."""
    with connection.cursor() as cursor:
        if connection.pg_version >= 180000:
            cursor.execute(FORGET, [list(tables)])
        for table in tables:
            cursor.execute(FIRST_STATISTICS.format(table=table))


def _analyse(tables: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ANALYZE {table}")
