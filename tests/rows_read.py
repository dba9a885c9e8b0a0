"""How many rows the database has read: what a plan costs, without a clock."""

from collections.abc import Callable

from django.db import connection

from kernel.ledger.migration_operations import FIRST_STATISTICS

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


def analysed_when_small(*tables: str, first_rows: Callable[[], object]) -> None:
    """What the planner knows of a book that was looked at when it had a few rows, and has grown since."""
    first_rows()
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ANALYZE {table}")


def never_analysed(*tables: str, first_rows: Callable[[], object]) -> None:
    """What it knows right after the migrations, whatever a test before this one has analysed."""
    with connection.cursor() as cursor:
        if connection.pg_version >= 180000:
            cursor.execute(FORGET, [list(tables)])
        for table in tables:
            cursor.execute(FIRST_STATISTICS.format(table=table))
    first_rows()
