"""Deletes what is old: events with their deliveries, and attempts. In pages, each its own transaction, until nothing is left.

Idempotency keys of calls (IdempotentCall) stay: keys never expire.
"""

from collections.abc import Iterator
from datetime import timedelta

from kernel.ledger import queries

EVENT_RETENTION = timedelta(days=90)
ATTEMPT_RETENTION = timedelta(days=30)
PAGE = 1000
# By the database's functions, because the service's role may delete no row of a tenant.
STEPS = (
    ("SELECT events_delete_old_attempts(clock_timestamp() - %s, %s) AS deleted", ATTEMPT_RETENTION),
    ("SELECT events_delete_old_events(clock_timestamp() - %s, %s) AS deleted", EVENT_RETENTION),
)


def delete_old_events() -> Iterator[int]:
    """Yields how many rows each page deleted: attempts, then events."""
    for statement, retention in STEPS:
        deleted = PAGE
        while deleted == PAGE:
            [row] = queries.fetch_rows(statement, [retention, PAGE])
            deleted = row.deleted
            yield deleted
