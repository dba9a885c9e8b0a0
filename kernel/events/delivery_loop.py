"""The part of a worker that sends events: fans out what was written, leases what is due, sends it from threads, records what came of it.

One thread does all work with the database, over one connection; the others only send. Any number of workers may run: each leases its own
deliveries. When a worker is killed, its leases end after a minute, and another worker sends those events again, with the same ids.

The loop looks for work a few times a second instead of being woken by postings: a look costs a few statements on small indexes, a posting
pays nothing, and an event waits for a fraction of a second. After results have come in it looks at once.

What is leased comes in batches (services/sending.py): a thread sends those of one account one after another, without asking the database in
between, so the order of an account costs one lease and one record for many deliveries.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from kernel.events.errors import SigningKeyMissing
from kernel.events.http.connections import idle_connections
from kernel.events.http.signing import master_keys
from kernel.events.models import Endpoint
from kernel.events.services.delivery_results import AttemptResult, record
from kernel.events.services.fan_out import PAGE, fan_out
from kernel.events.services.sending import ClaimCursor, DeliveryBatch, claim, send_leased, unsent

T = TypeVar("T")
log = structlog.get_logger("countinghouse.events")

POLL_SECONDS = 0.2
# How long results are gathered once the first is there, unless nothing more is under way.
GATHER_SECONDS = 0.02
# Seconds between two searches for new events while results come in.
FAN_OUT_SECONDS = 0.05
RECORDED_TOGETHER = 200
# Seconds between two searches where the installation has no endpoint at all.
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
        # What was sent, and a batch when it is over; None wakes a stopping loop.
        self._results: queue.SimpleQueue[AttemptResult | DeliveryBatch | None] = queue.SimpleQueue()
        # Sent, and not recorded yet.
        self._unrecorded: list[AttemptResult] = []
        # The batches that threads work on, by id().
        self._batches: dict[int, DeliveryBatch] = {}
        self._cursor = ClaimCursor()
        self._fanned_out_at = float("-inf")
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
            while (self._batches or self._unrecorded) and time.monotonic() < ends_at:
                self._take_results(timeout=POLL_SECONDS)
                self._guarded(self._record_results)
        idle_connections.close()
        connection.close()

    def run_until_idle(self) -> None:
        """Work until nothing is due now: for tests."""
        with ThreadPoolExecutor(self.threads) as pool:
            while any(self._work(pool)) or self._batches or self._unrecorded:
                self._fanned_out_at = float("-inf")
                self._take_results(timeout=POLL_SECONDS if self._batches else 0)

    def _step(self, pool: ThreadPoolExecutor) -> float:
        """One look for work. Returns how long to wait for the next, unless a result comes in before."""
        outcome = self._guarded(lambda: self._work(pool))
        if outcome is None:
            return ERROR_SECONDS
        if any(outcome) or self._batches:
            return 0.0 if outcome[0] == PAGE else POLL_SECONDS
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

    def _work(self, pool: ThreadPoolExecutor) -> tuple[int, int]:
        """Record, fan out, lease and begin to send. Returns how many events were fanned out, and how many batches begun."""
        self._record_results()
        done = self._fan_out()
        free = self.threads - len(self._batches)
        if free <= 0 or not self._check_key():
            return done, 0
        batches = claim(at_most=free, cursor=self._cursor)
        for batch in batches:
            self._batches[id(batch)] = batch
            pool.submit(self._send, batch)
        return done, len(batches)

    def _fan_out(self) -> int:
        """Fan out a page of events, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._fanned_out_at < FAN_OUT_SECONDS:
            return 0
        done = fan_out()
        self._fanned_out_at = float("-inf") if done == PAGE else now
        return done

    def _check_key(self) -> bool:
        """Whether there is a key. Without one nothing is leased, so that no attempt is lost, and the log says it from time to time."""
        try:
            master_keys()
        except SigningKeyMissing:
            if time.monotonic() - self._key_warned_at > KEY_WARNING_SECONDS:
                self._key_warned_at = time.monotonic()
                log.warning("webhook_signing_key_missing")
            return False
        return True

    def _send(self, batch: DeliveryBatch) -> None:
        """In a thread of the pool: send one after the other. After a failure the rest is given back, unsent."""
        position = 0
        try:
            while position < len(batch.deliveries) and batch.may_begin(position) and not self._stopping.is_set():
                sent = send_leased(batch.deliveries[position], batch.now())
                position += 1
                self._results.put(sent)
                if not sent.is_success:
                    break
            for delivery in batch.deliveries[position:]:
                self._results.put(unsent(delivery))
        except Exception:
            # Its lease ends, and it is sent again.
            log.exception("webhook_batch_failed", endpoint_id=str(batch.endpoint_id))
        finally:
            self._results.put(batch)

    def _take_results(self, *, timeout: float) -> None:
        """Wait for a result, at most so long, then for those that are about to come in: recorded together, they cost one transaction."""
        try:
            self._take(self._results.get(timeout=timeout) if timeout else self._results.get_nowait())
            gathered_at = time.monotonic() + GATHER_SECONDS
            while True:
                remaining = gathered_at - time.monotonic() if self._batches else 0
                self._take(self._results.get(timeout=remaining) if remaining > 0 else self._results.get_nowait())
        except queue.Empty:
            return

    def _take(self, result: AttemptResult | DeliveryBatch | None) -> None:
        if isinstance(result, AttemptResult):
            self._unrecorded.append(result)
        elif isinstance(result, DeliveryBatch):
            del self._batches[id(result)]

    def _record_results(self) -> None:
        while self._unrecorded:
            page = self._unrecorded[:RECORDED_TOGETHER]
            try:
                closed = record(page)
            except (OperationalError, InterfaceError):
                # The database is away: recorded once it is back.
                raise
            except Exception:
                log.exception("deliveries_not_recorded_together", deliveries=len(page))
                closed = self._record_one_by_one(page)
            del self._unrecorded[: len(page)]
            for batch in self._batches.values():
                batch.is_closed = batch.is_closed or batch.endpoint_id in closed

    def _record_one_by_one(self, page: Sequence[AttemptResult]) -> set[UUID]:
        """So that a result that can't be recorded holds up no other one. Its lease ends, and it is sent again."""
        closed: set[UUID] = set()
        for sent in page:
            try:
                closed |= record([sent])
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                log.exception("delivery_not_recorded", delivery=str(sent.delivery_id))
        return closed
