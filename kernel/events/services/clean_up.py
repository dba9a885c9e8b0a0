"""Deletes what is old: events with their deliveries, and attempts. In pages, each its own transaction, until nothing is left."""

from collections.abc import Iterator
from datetime import timedelta

from kernel.ledger import queries

EVENTS_KEPT = timedelta(days=90)
ATTEMPTS_KEPT = timedelta(days=30)
PAGE = 1000
# By the database's functions, because the service's role may delete no row of a tenant.
STEPS = (
    ("SELECT events_delete_old_attempts(clock_timestamp() - %s, %s) AS deleted", ATTEMPTS_KEPT),
    ("SELECT events_delete_old_events(clock_timestamp() - %s, %s) AS deleted", EVENTS_KEPT),
)


def delete_old_events() -> Iterator[int]:
    """Yields how many rows each page deleted: attempts, then events."""
    for statement, kept in STEPS:
        deleted = PAGE
        while deleted == PAGE:
            [row] = queries.fetch_rows(statement, [kept, PAGE])
            deleted = row.deleted
            yield deleted
