"""Throttling: a backfill slows down when other sessions wait for its locks, or when the database becomes slow."""

import statistics
import time
from collections import deque
from dataclasses import dataclass, field

from django.db import connection

MIN_BATCH = 50
SAMPLE_EVERY_SECONDS = 0.5
# The batches that measure the usual speed. One more is measured and dropped: the first one runs with cold caches.
BASELINE_BATCHES = 9
RECENT_BATCHES = 5
# The database counts as slow when a batch takes this many times the usual time.
SLOWER = 2.0
MAX_PAUSE_SECONDS = 5.0
# While others wait, the pause is this many times the duration of the batch.
PAUSE_FACTOR = 2.0


@dataclass
class Pacer:
    """Decides the size of the next batch (rows) and the pause before it (seconds)."""

    batch_size: int
    max_rate: float | None = None
    size: int = 0
    note: str = ""
    _baseline: list[float] = field(default_factory=list)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_BATCHES))
    _sampled_at: float = 0.0
    _next_at: float = 0.0

    def __post_init__(self) -> None:
        self.size = self.batch_size
        self._baseline = []

    def sample_waiting(self) -> int:
        """How many sessions wait for this session's locks. Call it before the commit; it queries at most twice a second, else returns 0."""
        now = time.monotonic()
        if now - self._sampled_at < SAMPLE_EVERY_SECONDS:
            return 0
        self._sampled_at = now
        return count_waiting()

    def after_batch(self, *, rows: int, seconds: float, waiting: int) -> float:
        """The pause before the next batch, in seconds."""
        pause = max(self._for_others(seconds, waiting), self._for_slowness(rows, seconds))
        return max(pause, self._for_rate(rows, pause))

    def _for_others(self, seconds: float, waiting: int) -> float:
        if waiting:
            # Smaller batches hold their locks more briefly.
            self.size = max(min(MIN_BATCH, self.batch_size), self.size // 2)
            self.note = f"stepping back: {waiting} waiting"
            return min(MAX_PAUSE_SECONDS, PAUSE_FACTOR * seconds)
        self.size = min(self.batch_size, self.size + max(1, self.batch_size // 20))
        self.note = ""
        return 0.0

    def _for_slowness(self, rows: int, seconds: float) -> float:
        if rows < self.batch_size:
            # A short batch takes more time for each row, so it doesn't measure the database.
            return 0.0
        if len(self._baseline) <= BASELINE_BATCHES:
            self._baseline.append(seconds)
            return 0.0
        self._recent.append(seconds)
        usual = statistics.median(self._baseline[1:])
        now = statistics.median(self._recent)
        if now <= SLOWER * usual:
            return 0.0
        self.note = f"slowing down: commits take {now / usual:.1f} times as long as at first"
        return min(MAX_PAUSE_SECONDS, now - usual)

    def _for_rate(self, rows: int, pause: float) -> float:
        if not self.max_rate:
            return 0.0
        now = time.monotonic()
        # Never behind now: a pause must not be followed by a burst.
        self._next_at = max(self._next_at + rows / self.max_rate, now + pause)
        return self._next_at - now


def count_waiting() -> int:
    """Sessions that wait for a lock of this session, without the other shares of its run (parallel_apply.py names their sessions).

    CASE limits the slow pg_blocking_pids to sessions that wait for a lock.
    """
    with connection.cursor() as cursor:
        # Inside a transaction pg_stat_activity is a snapshot of the first query.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE CASE WHEN wait_event_type = 'Lock' AND datname = current_database()"
            " AND (application_name NOT LIKE 'backfill share%' OR application_name <> current_setting('application_name'))"
            " THEN pg_backend_pid() = ANY (pg_blocking_pids(pid)) ELSE false END"
        )
        return int(cursor.fetchone()[0])
