"""Natural batching: postings that arrive while a call is on its way to the database wait together and are sent as one call.

A posting has a serialization key: what the posting function locks for it, such as its wallet. One call at a time may post under a key.

A posting whose key is free is sent at once and alone, as long as the process may make one more call.
Otherwise it waits in the queue. When a call completes, all queued postings whose keys are free now are sent together in the next call.
The first of them leads: its thread or greenlet makes the call and hands the rows to the others. There is no timer and no thread of its own:
batches form only under load. On an event loop, where all callers share a thread, a leader of a busy process first lets those join whose
requests have arrived already.

How many calls a process makes at the same time depends on its load. If it computes, one is enough: while that call is under way, the
replies of the last are written and the next batch gathers. If it only waits, as for a slow disk or a lock that another session holds, more
calls wait at the same time; a posting that has been queued for long checks the load again.

What happens to a batch when something goes wrong:
- The database refuses the call as a whole (one posting that breaks it, a lock held elsewhere): nothing moved, and each caller makes its own
  call, as without batching. A batch waits only BATCH_LOCK_TIMEOUT_MS for a lock, so that one row that stays locked delays few.
- The connection is lost, or the leader's thread ends: the other callers get OutcomeUnknown and must repeat their calls.
- No call completes: after WAIT_TIMEOUT_SECONDS a posting that is still queued leaves with Busy (nothing moved); one that is part of a batch
  gets OutcomeUnknown.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, InterfaceError

from kernel.ledger.database_errors import certainly_posted_nothing
from kernel.ledger.errors import Busy, OutcomeUnknown
from kernel.ledger.posting.execution import Execution, WakeEvent, current_execution
from kernel.ledger.posting.statements import PostingFunction, call_function, release_connection

# A batch that waits for a lock gives up early, so that its other postings, which don't need that lock, are not delayed.
BATCH_LOCK_TIMEOUT_MS = 250
WAIT_TIMEOUT_SECONDS = 15.0
# A larger batch gains nothing and holds its rows' locks longer.
MAX_BATCH_POSTINGS = 250
# A process is busy if it used at least this share of a processor since the last sample, which is taken so often (seconds).
BUSY_SHARE = 0.4
LOAD_SAMPLE_SECONDS = 0.05
MAX_CALLS_WHEN_BUSY = 1
# How often a leader of a busy process lets its loop read requests before it makes the call.
MAX_TURNS_FOR_LATE_JOINERS = 4
# A posting that was queued for so long (seconds) checks whether the process is still busy, or whether it waits behind a call that is stuck.
RECHECK_AFTER_SECONDS = 0.1

# Calls a posting function with encoded postings, each with its tenant; the lock timeout is in milliseconds, None for the connection's own.
Call = Callable[[PostingFunction, Sequence[Any], int | None], list[Any]]


@dataclass(eq=False, slots=True)
class PendingPosting:
    """A posting that has no outcome yet. It stays unknown until a leader sets `row` or `must_be_sent_alone`."""

    function: PostingFunction
    serialization_key: Hashable
    posting: Any
    execution: Execution = field(default_factory=current_execution)
    # Set once: by the leader when it has the outcome, or by the thread that makes this posting the leader.
    event: WakeEvent = field(init=False)
    # Of the serialization key: a UUID computes its hash anew for each look-up. Two keys with the same hash only wait for each other.
    key_hash: int = field(init=False)
    # If this posting leads: the postings of its call, itself the first.
    batch: list["PendingPosting"] = field(default_factory=list)
    row: Any = None
    must_be_sent_alone: bool = False

    def __post_init__(self) -> None:
        self.event = self.execution.new_event()
        self.key_hash = hash((self.function.name, self.function.using, self.serialization_key))


class BatchQueue:
    """The pending postings of one process: at most `max_calls` calls to the database at a time, and one for each serialization key.

    All state is guarded by self._lock: checking for a free key and joining the queue must be one atomic step, or a wake-up is lost. Only
    _lead reads _is_busy without it: an older value makes a call some moments earlier or later, and no decision depends on it.
    """

    def __init__(
        self,
        *,
        max_calls: int,
        call: Call = call_function,
        on_wait: Callable[[PostingFunction], None] = release_connection,
        wait_timeout: float = WAIT_TIMEOUT_SECONDS,
    ) -> None:
        """`on_wait` is called before a caller blocks. It releases the caller's connection, or waiting callers could use up the pool."""
        self.call = call
        self.on_wait = on_wait
        self.max_calls = max_calls
        self.wait_timeout = wait_timeout
        self._lock = threading.Lock()
        self._queue: list[PendingPosting] = []
        self._locked_keys: set[int] = set()
        self._calls = 0
        self._is_busy = False
        self._load_sample = (time.monotonic(), time.process_time())

    def post(self, function: PostingFunction, posting: Any, *, serialization_key: Hashable) -> Any:
        """The outcome row of one posting. Raises Busy, OutcomeUnknown, and what the call itself raises."""
        pending = PendingPosting(function=function, serialization_key=serialization_key, posting=posting)
        if not self._try_start(pending):
            self._wait(pending)
        if pending.batch:
            self._lead(pending.batch)
        if pending.must_be_sent_alone:
            return self.call(function, [posting], None)[0]
        if pending.row is None:
            raise OutcomeUnknown
        return pending.row

    def _try_start(self, pending: PendingPosting) -> bool:
        """True where the posting may be sent at once; else it is in the queue."""
        with self._lock:
            is_free = pending.key_hash not in self._locked_keys and self._calls < self._max_calls_now
            if is_free:
                self._start([pending])
            else:
                self._queue.append(pending)
        return is_free

    def _wait(self, pending: PendingPosting) -> None:
        """Until there is an outcome, or the posting has become a leader. Raises Busy."""
        try:
            self.on_wait(pending.function)
            has_left = not self._wait_for_event(pending) and self._remove_if_queued(pending)
        except BaseException:
            # This thread is being ended. If it was made the leader a moment ago, the others must not wait for it.
            if not self._remove_if_queued(pending) and pending.batch:
                self._complete(pending.batch)
            raise
        if has_left:
            raise Busy

    def _wait_for_event(self, pending: PendingPosting) -> bool:
        if pending.event.wait(timeout=min(RECHECK_AFTER_SECONDS, self.wait_timeout)):
            return True
        with self._lock:
            self._sample_load()
            self._dispatch()
        return pending.event.wait(timeout=self.wait_timeout)

    def _remove_if_queued(self, pending: PendingPosting) -> bool:
        with self._lock:
            if pending not in self._queue:
                return False
            self._queue.remove(pending)
            return True

    def _lead(self, batch: list[PendingPosting]) -> None:
        """Makes the call of a batch, and sets the row of each posting, or that it must be sent alone; else it stays unknown.

        Raises what the call raises.
        """
        try:
            if self._is_busy:
                # On a loop all callers share this thread: requests that have arrived already would otherwise just miss the call.
                self._wait_for_late_joiners(batch)
            rows = self.call(batch[0].function, [pending.posting for pending in batch], BATCH_LOCK_TIMEOUT_MS if batch[1:] else None)
            for pending, row in zip(batch, rows, strict=True):
                pending.row = row
        except (DatabaseError, InterfaceError, Busy) as error:
            if len(batch) == 1 or not certainly_posted_nothing(error):
                raise
            for pending in batch:
                pending.must_be_sent_alone = True
        finally:
            self._complete(batch)

    def _wait_for_late_joiners(self, batch: list[PendingPosting]) -> None:
        """Lets the loop read requests for as long as some of them join, so that more postings share the costs of one call."""
        for turn in range(MAX_TURNS_FOR_LATE_JOINERS):
            batch[0].execution.yield_to_loop()
            if not self._add_late_joiners(batch) and turn:
                return

    def _add_late_joiners(self, batch: list[PendingPosting]) -> int:
        """Adds the postings that were queued since the batch was formed and would have been part of it; how many."""
        with self._lock:
            keys = {pending.key_hash for pending in batch}
            free = [pending for pending in self._queue if pending.key_hash in keys or pending.key_hash not in self._locked_keys]
            late_joiners = [pending for pending in free if pending.function == batch[0].function][: MAX_BATCH_POSTINGS - len(batch)]
            self._remove_from_queue(late_joiners)
            self._locked_keys.update(pending.key_hash for pending in late_joiners)
            batch += late_joiners
        return len(late_joiners)

    def _complete(self, batch: list[PendingPosting]) -> None:
        """Frees the keys for queued postings, then wakes those of the batch."""
        with self._lock:
            self._locked_keys.difference_update(pending.key_hash for pending in batch)
            self._calls -= 1
            self._sample_load()
            self._dispatch()
        for follower in batch[1:]:
            follower.event.set()

    # All methods below are called under self._lock.

    @property
    def _max_calls_now(self) -> int:
        return min(self.max_calls, MAX_CALLS_WHEN_BUSY) if self._is_busy else self.max_calls

    def _sample_load(self) -> None:
        """Whether the process computes, or only waits."""
        (then, used_then), now = self._load_sample, time.monotonic()
        if now - then >= LOAD_SAMPLE_SECONDS:
            used = time.process_time()
            self._is_busy = used - used_then > BUSY_SHARE * (now - then)
            self._load_sample = (now, used)

    def _dispatch(self) -> None:
        """Starts every batch that can start now. Afterwards no posting is queued for a free key while a call is allowed."""
        while self._calls < self._max_calls_now and (batch := self._next_batch()):
            self._remove_from_queue(batch)
            self._start(batch)
            batch[0].event.set()

    def _next_batch(self) -> list[PendingPosting]:
        """The first queued posting whose key is free, and all after it that can go in the same call."""
        free = [pending for pending in self._queue if pending.key_hash not in self._locked_keys]
        return [pending for pending in free if pending.function == free[0].function][:MAX_BATCH_POSTINGS]

    def _remove_from_queue(self, batch: list[PendingPosting]) -> None:
        removed = set(batch)
        self._queue = [pending for pending in self._queue if pending not in removed]

    def _start(self, batch: list[PendingPosting]) -> None:
        """Locks the batch's keys, and makes its first posting the leader."""
        self._locked_keys.update(pending.key_hash for pending in batch)
        self._calls += 1
        batch[0].batch = batch
