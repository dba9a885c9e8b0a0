"""The part of a worker that sends events: fans out what was written, leases what is due, sends it from threads, records what came of it.

One thread does all work with the database, over one connection; the others only send. Any number of workers may run: each leases its own
deliveries. When a worker is killed, its leases end after a minute, and another worker sends those events again, with the same ids.

The loop looks for work a few times a second instead of being woken by postings: a look costs three statements on small indexes, a posting
pays nothing, and an event waits for a fraction of a second.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from kernel.events.errors import SigningKeyMissing
from kernel.events.models import Endpoint
from kernel.events.services.fan_out import PAGE, fan_out
from kernel.events.services.recording import Sent, record
from kernel.events.services.sending import Claimed, claim, send_claimed
from kernel.events.signing import master_keys

T = TypeVar("T")
log = structlog.get_logger("countinghouse.events")

POLL_SECONDS = 0.2
# How long results are gathered once the first is there.
GATHER_SECONDS = 0.02
# Where the installation has no endpoint at all.
IDLE_SECONDS = 2.0
# After an error of the database; what is under way is recorded once it is back.
ERROR_SECONDS = 1.0
# How long a stopping worker waits for what it has sent: longer than one request may take.
STOP_SECONDS = 20.0
KEY_WARNING_SECONDS = 300.0


class DeliveryLoop:
    """Runs until `stop` is called, from any thread. `threads`: how many requests are under way at the same time, at most."""

    def __init__(self, *, threads: int | None = None) -> None:
        self.threads = threads or settings.WEBHOOK_THREADS
        self._stopping = threading.Event()
        # None wakes the loop.
        self._results: queue.SimpleQueue[Sent | None] = queue.SimpleQueue()
        # Sent, and not recorded yet.
        self._unrecorded: list[Sent] = []
        self._under_way = 0
        self._last_endpoint: UUID | None = None
        self._key_warned_at = float("-inf")

    def stop(self) -> None:
        """Ask the loop to end: what it has sent is awaited and recorded, nothing new is begun."""
        self._stopping.set()
        self._results.put(None)

    def run(self) -> None:
        with ThreadPoolExecutor(self.threads, thread_name_prefix="webhook") as pool:
            while not self._stopping.is_set():
                self._take_results(timeout=self._step(pool))
            ends_at = time.monotonic() + STOP_SECONDS
            while (self._under_way or self._unrecorded) and time.monotonic() < ends_at:
                self._take_results(timeout=POLL_SECONDS)
                self._guarded(self._record_results)
        connection.close()

    def run_until_idle(self) -> None:
        """Work until nothing is due now: for tests, and for a command that sends once."""
        with ThreadPoolExecutor(self.threads) as pool:
            while self._work(pool) or self._under_way:
                self._take_results(timeout=POLL_SECONDS if self._under_way else 0)
                self._record_results()

    def _step(self, pool: ThreadPoolExecutor) -> float:
        """One look for work. Returns how long to wait for the next, unless a result comes in before."""
        outcome = self._guarded(lambda: self._work(pool))
        if outcome is None:
            return ERROR_SECONDS
        if outcome or self._under_way:
            return 0.0 if outcome and self._under_way < self.threads else POLL_SECONDS
        has_endpoints = self._guarded(Endpoint.objects.exists)
        return POLL_SECONDS if has_endpoints else IDLE_SECONDS

    def _guarded(self, work: Callable[[], T]) -> T | None:
        """What `work` returns; None, with a line in the log and a closed connection, where it failed."""
        try:
            return work()
        except Exception:
            log.exception("delivery_loop_failed")
            connection.close()
            return None

    def _work(self, pool: ThreadPoolExecutor) -> int:
        """Record, fan out, lease and begin to send. Returns how much was done."""
        self._record_results()
        done = fan_out()
        free = self.threads - self._under_way
        if free <= 0 or not self._may_sign():
            return done if done == PAGE else 0
        claimed, self._last_endpoint = claim(at_most=free, after_endpoint=self._last_endpoint)
        for each in claimed:
            self._under_way += 1
            pool.submit(self._send, each)
        return done + len(claimed)

    def _may_sign(self) -> bool:
        """Whether there is a key. Without one nothing is leased, so that no attempt is lost."""
        try:
            master_keys()
        except SigningKeyMissing:
            if time.monotonic() - self._key_warned_at > KEY_WARNING_SECONDS:
                self._key_warned_at = time.monotonic()
                log.warning("webhook_signing_key_missing")
            return False
        return True

    def _send(self, claimed: Claimed) -> None:
        """In a thread of the pool."""
        self._results.put(send_claimed(claimed))

    def _take_results(self, *, timeout: float) -> None:
        """Wait for a result, at most so long, and take all that there are."""
        try:
            result = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
            # Others are about to come in: recorded together, they cost one transaction and one look for work.
            time.sleep(GATHER_SECONDS)
            while True:
                self._take(result)
                result = self._results.get_nowait()
        except queue.Empty:
            return

    def _take(self, result: Sent | None) -> None:
        if result is not None:
            self._unrecorded.append(result)
            self._under_way -= 1

    def _record_results(self) -> None:
        if not self._unrecorded:
            return
        try:
            record(*self._unrecorded)
        except (OperationalError, InterfaceError):
            # The database is away: recorded once it is back.
            raise
        except Exception:
            log.exception("deliveries_not_recorded_together", deliveries=len(self._unrecorded))
            self._record_one_by_one()
        self._unrecorded = []

    def _record_one_by_one(self) -> None:
        """So that a result that can't be recorded holds up no other one. Its lease ends, and it is sent again."""
        for sent in self._unrecorded:
            try:
                record(sent)
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                log.exception("delivery_not_recorded", delivery=str(sent.delivery_id))
