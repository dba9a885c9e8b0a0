"""Being polite: a backfill has all night, the people whose postings wait behind it don't."""

import statistics
import time
from collections import deque
from dataclasses import dataclass, field

from django.db import connection

SMALLEST_BATCH = 50
SAMPLE_EVERY_SECONDS = 0.5
# So many batches tell how fast the database is when left alone, after the first, which finds cold caches.
BASELINE_BATCHES = 9
RECENT_BATCHES = 5
# Commits that take so many times what they took at first mean that the database has other work.
SLOWER = 2.0
LONGEST_REST_SECONDS = 5.0
# As many times as long as a batch held others up, we stay away.
PAUSE_FACTOR = 2.0


@dataclass
class Pacer:
    """Says how large the next batch may be and how long to rest before it. Times are in seconds."""

    batch_size: int
    max_rate: float | None = None
    size: int = 0
    note: str = ""
    _first: list[float] = field(default_factory=list)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_BATCHES))
    _looked_at: float = 0.0
    _next_at: float = 0.0

    def __post_init__(self) -> None:
        self.size = self.batch_size
        self._first = []

    def sample_waiting(self) -> int:
        """How many sessions wait for our locks. Ask inside the transaction, before its commit; looks at most twice a second."""
        now = time.monotonic()
        if now - self._looked_at < SAMPLE_EVERY_SECONDS:
            return 0
        self._looked_at = now
        return count_waiting()

    def after_batch(self, *, rows: int, seconds: float, waiting: int) -> float:
        """How long to rest now."""
        rest = max(self._for_others(seconds, waiting), self._for_slowness(rows, seconds))
        return max(rest, self._for_rate(rows, rest))

    def _for_others(self, seconds: float, waiting: int) -> float:
        if waiting:
            # Smaller batches hold their locks for a shorter time.
            self.size = max(min(SMALLEST_BATCH, self.batch_size), self.size // 2)
            self.note = f"stepping back: {waiting} waiting"
            return min(LONGEST_REST_SECONDS, PAUSE_FACTOR * seconds)
        self.size = min(self.batch_size, self.size + max(1, self.batch_size // 20))
        self.note = ""
        return 0.0

    def _for_slowness(self, rows: int, seconds: float) -> float:
        if rows < self.batch_size:
            # A short batch costs more for each row; it says nothing about the database.
            return 0.0
        if len(self._first) <= BASELINE_BATCHES:
            self._first.append(seconds)
            return 0.0
        self._recent.append(seconds)
        usual = statistics.median(self._first[1:])
        now = statistics.median(self._recent)
        if now <= SLOWER * usual:
            return 0.0
        self.note = f"slowing down: commits take {now / usual:.1f} times as long as at first"
        return min(LONGEST_REST_SECONDS, now - usual)

    def _for_rate(self, rows: int, rest: float) -> float:
        if not self.max_rate:
            return 0.0
        now = time.monotonic()
        # A pause must not be made up for by a burst.
        self._next_at = max(self._next_at + rows / self.max_rate, now + rest)
        return self._next_at - now


def count_waiting() -> int:
    """Sessions that wait for a lock this session holds. CASE keeps the dearer question to those that wait for a lock at all."""
    with connection.cursor() as cursor:
        # Within a transaction the first look would be remembered.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE CASE WHEN wait_event_type = 'Lock' AND datname = current_database()"
            " THEN pg_backend_pid() = ANY (pg_blocking_pids(pid)) ELSE false END"
        )
        return int(cursor.fetchone()[0])
