"""Reads of the past: an answer about a past moment never changes, because it waits until no posting in flight can still land before it.

A posting takes its `created_at` from the database's clock under its locks and becomes visible only when its transaction ends. A list up to
12:00:00, read at 12:00:01, may therefore miss an entry of 11:59:59 whose transaction is still open. Every API read that is bounded
by a moment of book time calls `wait_for_postings_before` first and then reads up to the moment that it returns. The time filters of the
admin's lists don't wait, so a list up to a moment just past may lack a posting in flight. A read of one account may lock
the account's row FOR SHARE instead, which waits for that account's postings only.

Why this is right. A session that has read the clock for a posting holds a lock on one of the ledgers' tables, in a mode that only writers
and row locks take, from before it read the clock until its entries are visible. So a posting that can still land at or before a moment
belongs to a session that holds such a lock now, in a transaction that began at or before that moment. pg_locks shows the locks of all
roles' sessions. pg_stat_activity shows when a transaction began to the same role and to members of pg_read_all_stats; of any other role's
session we assume that it began long ago, and wait until it ends. A transaction that only reads, or is idle with nothing but a snapshot,
holds no such lock and is not waited for. Nor is one that writes to other tables only.

What posting functions must do for it: read the clock after they have locked a row of the ledger's own tables, or inside the INSERT or
UPDATE itself, or after LOCK TABLE ... IN ROW EXCLUSIVE MODE; never in DECLARE, and never now() or statement_timestamp(), which are
earlier than the locks.

What it doesn't cover: a clock of the database server that steps back; rows that are written without a posting function with a default of
statement_timestamp() (settings, not money).
"""

import functools
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.apps import apps
from django.db import connection

from kernel.ledger import queries
from kernel.ledger.base_models import TenantOwned
from kernel.ledger.errors import Busy

# As long as a posting waits for a lock. A transaction that is open for longer is stuck: the reader gets Busy (503).
WAIT_TIMEOUT_SECONDS = 5.0
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.002, 0.05

# statement_timestamp() is earlier than the read of pg_locks: a posting that takes its lock after that read also gets a later clock time.
IN_FLIGHT = """
SELECT statement_timestamp() AS now, min(coalesce(activity.xact_start, timestamptz '1900-01-01 00:00:00Z')) AS earliest_start
FROM pg_locks held
LEFT JOIN pg_stat_activity activity ON activity.pid = held.pid
WHERE held.locktype = 'relation' AND held.granted AND held.mode IN ('RowShareLock', 'RowExclusiveLock')
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND held.relation IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
    AND held.pid IS DISTINCT FROM pg_backend_pid()
"""


def wait_for_postings_before(*, tenant_id: UUID, instant: datetime) -> datetime:
    """Waits until no posting in flight can get a `created_at` at or before `instant`; returns the moment to read up to, itself included.

    That is `instant`, or the moment of the call where `instant` lies in the future: such an answer says up to when it is complete. The
    read must be a statement of its own after this call, and not in a transaction that has a snapshot already. Raises Busy where a
    posting stays in flight for WAIT_TIMEOUT_SECONDS. Nothing is answered then: an answer up to an earlier moment looks complete to a
    caller who syncs by time windows.

    The postings of all tenants are waited for, because a lock on a table doesn't say whose rows are written. `tenant_id` is for a database
    that is distributed by tenant, where only the tenant's node has to be asked.
    """
    deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
    pause = FIRST_PAUSE_SECONDS
    now, earliest_start = _postings_in_flight()
    wanted = min(instant, now)
    while earliest_start is not None and earliest_start <= wanted:
        if time.monotonic() >= deadline:
            raise Busy(in_flight_since=earliest_start)
        time.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
        _, earliest_start = _postings_in_flight()
    return wanted


def final_until() -> datetime:
    """The moment up to which, itself included, every answer is final now. It doesn't wait; it lies before the oldest posting in flight."""
    now, earliest_start = _postings_in_flight()
    return now if earliest_start is None else min(now, earliest_start - timedelta(microseconds=1))


def _postings_in_flight() -> tuple[datetime, datetime | None]:
    """The database's time before it reads pg_locks, and when the oldest transaction began that may hold a posting; None without one."""
    if connection.in_atomic_block:
        # Within a transaction pg_stat_activity returns a cached snapshot until it is cleared.
        queries.fetch_rows("SELECT pg_stat_clear_snapshot()")
    [row] = queries.fetch_rows(IN_FLIGHT, [_tables()])
    return row.now, row.earliest_start


@functools.cache
def _tables() -> list[str]:
    """Every table whose rows are a tenant's: accounts and entries of all ledgers among them."""
    return sorted(model._meta.db_table for model in apps.get_models() if issubclass(model, TenantOwned))
