"""Natural batching: while a call is on its way to the database, the postings that arrive meanwhile wait together and go as one.

The story of a posting. It arrives. If nothing is under way on its account, and the process has a call to spare, it goes at once and alone:
an idle account waits for nobody. Otherwise it waits in line. When a call comes back, all who wait for what is now free go together in
the next call; the one at the head of the line makes it and shares out the answers, while whoever made the last call is already gone with
his own. There is no timer and no thread of its own: a crowd forms only where there is one. On an event loop (greenlets.py), where all share
a thread, whoever makes a call while the process is at work first lets those in who are at the door already.

How many calls are to spare depends on what the process does meanwhile. If it is at work itself, one is enough: while it is under way the
answers of the last are written and the next crowd gathers. If it only waits, as for a slow disk or for a lock that somebody holds, more of
them wait at the same time; who has stood in line for long looks whether it has come to that.

What can go wrong, and what then becomes of those who went along:
- The database refuses the call as a whole (one poisoned posting, a lock held elsewhere): nothing moved, and each makes his own call again,
  as if there were no batching. Together they wait only TOGETHER_LOCK_TIMEOUT_MS for a lock, so that one stuck account delays few.
- The connection is lost, or the leader's thread ends: each is told OutcomeUnknown, and finds the truth by repeating his call.
- Nobody comes: after PATIENCE_SECONDS one who is still in line leaves it (Busy: nothing moved); one who was taken along can't know.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db import DatabaseError, InterfaceError

from kernel.ledger.constraints import moved_nothing
from kernel.ledger.errors import Busy, OutcomeUnknown
from kernel.ledger.posting import greenlets

# A batch that meets a lock gives up early: those who don't need that lock shall not wait for it.
TOGETHER_LOCK_TIMEOUT_MS = 250
PATIENCE_SECONDS = 15.0
# More would gain nothing and hold the accounts' locks longer.
TOGETHER_AT_MOST = 250
# A process is at work if it uses this share of a processor, looked at so often (seconds).
AT_WORK = 0.4
LOOKED_AT_EVERY = 0.05
CALLS_AT_WORK = 1
# Who has waited so long (seconds) looks whether the process still is at work, or stands behind a call that is stuck.
LONG = 0.1

# Calls a posting function: which function, the encoded postings, and a lock timeout in milliseconds or None for the connection's own.
Call = Callable[[Hashable, Sequence[Any], int | None], list[Any]]


class Gate(Protocol):
    """What somebody waits at: a lock where he has a thread of his own, the loop's gate where he hasn't (greenlets.py)."""

    def acquire(self, *, timeout: float) -> bool: ...

    def release(self) -> None: ...


def _closed_gate() -> Gate:
    if errand := greenlets.errand():
        return greenlets.Gate(errand.loop)
    gate = threading.Lock()
    gate.acquire()
    return gate


@dataclass(eq=False, slots=True)
class Traveller:
    """One posting on its way. Until somebody says otherwise, its outcome is unknown."""

    function: Hashable
    account: Hashable
    posting: Any
    # Opened once: by the leader with the answer, or by whoever hands over the lead.
    gate: Gate = field(default_factory=_closed_gate)
    # Those whose call this one makes, itself the first of them.
    group: list["Traveller"] = field(default_factory=list)
    row: Any = None
    goes_alone: bool = False

    @property
    def lane(self) -> tuple[Hashable, Hashable]:
        return self.function, self.account


class Lanes:
    """The postings of one process: at most `calls_at_most` calls to the database at a time, and one on an account.

    Everything below that touches the line, the lanes or the count does so behind one door, so that "nobody waits, the lane is free" and
    "the lane is taken, I wait" can't both be believed.
    """

    def __init__(
        self,
        *,
        call: Call,
        calls_at_most: int,
        rest: Callable[[Hashable], None] = lambda function: None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """`rest` is called before a thread waits: whatever others may need, it must not hold meanwhile."""
        self.call = call
        self.rest = rest
        self.calls_at_most = calls_at_most
        self.patience = patience
        self._door = threading.Lock()
        self._line: list[Traveller] = []
        self._taken: set[Hashable] = set()
        self._calls = 0
        self._is_at_work = False
        self._looked_at = (time.monotonic(), time.process_time())

    def post(self, function: Hashable, posting: Any, *, account: Hashable) -> Any:
        """The outcome row of one posting. Raises Busy, OutcomeUnknown, and what the call itself raises."""
        traveller = Traveller(function=function, account=account, posting=posting)
        if not self._sets_out(traveller):
            self._wait(traveller)
        if traveller.group:
            self._lead(traveller.group)
        if traveller.goes_alone:
            return self.call(function, [posting], None)[0]
        if traveller.row is None:
            raise OutcomeUnknown
        return traveller.row

    def _sets_out(self, traveller: Traveller) -> bool:
        """Go at once, or stand in line."""
        with self._door:
            is_free = traveller.lane not in self._taken and self._calls < self._to_spare
            if is_free:
                self._take([traveller])
            else:
                self._line.append(traveller)
        return is_free

    def _wait(self, traveller: Traveller) -> None:
        """Until there is an answer, or the lead to take over. Raises Busy."""
        try:
            self.rest(traveller.function)
            has_left = not self._is_called(traveller) and self._leaves_line(traveller)
        except BaseException:
            # This thread is being ended. If the lead was handed to it a moment ago, the others must not wait for it.
            if not self._leaves_line(traveller) and traveller.group:
                self._dissolve(traveller.group)
            raise
        if has_left:
            raise Busy

    def _is_called(self, traveller: Traveller) -> bool:
        if traveller.gate.acquire(timeout=min(LONG, self.patience)):
            return True
        with self._door:
            self._look_at_work()
            self._call_up()
        return traveller.gate.acquire(timeout=self.patience)

    def _leaves_line(self, traveller: Traveller) -> bool:
        with self._door:
            if traveller not in self._line:
                return False
            self._line.remove(traveller)
            return True

    def _lead(self, group: list[Traveller]) -> None:
        """Make the call of a group, and leave each with its row, sent to go alone, or in doubt. Raises what the call raises."""
        try:
            if self._is_at_work:
                # On a loop everybody shares one thread: who is at the door already would otherwise just miss the call.
                greenlets.look_round()
                self._take_along(group)
            rows = self.call(group[0].function, [traveller.posting for traveller in group], TOGETHER_LOCK_TIMEOUT_MS if group[1:] else None)
            for traveller, row in zip(group, rows, strict=True):
                traveller.row = row
        except (DatabaseError, InterfaceError, Busy) as error:
            if len(group) == 1 or not moved_nothing(error):
                raise
            for traveller in group:
                traveller.goes_alone = True
        finally:
            self._dissolve(group)

    def _take_along(self, group: list[Traveller]) -> None:
        """Those who have come since the group was formed and would have been of it."""
        with self._door:
            lanes = {traveller.lane for traveller in group}
            ready = [traveller for traveller in self._line if traveller.lane in lanes or traveller.lane not in self._taken]
            late = [traveller for traveller in ready if traveller.function == group[0].function][: TOGETHER_AT_MOST - len(group)]
            self._leave_line(late)
            self._taken.update(traveller.lane for traveller in late)
            group += late

    def _leave_line(self, called: list[Traveller]) -> None:
        """Behind the door: they wait no longer."""
        gone = set(called)
        self._line = [traveller for traveller in self._line if traveller not in gone]

    def _dissolve(self, group: list[Traveller]) -> None:
        """Free the lanes for those in line, then let the group go."""
        with self._door:
            self._taken.difference_update(traveller.lane for traveller in group)
            self._calls -= 1
            self._look_at_work()
            self._call_up()
        for follower in group[1:]:
            follower.gate.release()

    @property
    def _to_spare(self) -> int:
        """How many calls may be under way at a time."""
        return min(self.calls_at_most, CALLS_AT_WORK) if self._is_at_work else self.calls_at_most

    def _look_at_work(self) -> None:
        """Behind the door: whether the process is at work, or only waits."""
        (then, used_then), now = self._looked_at, time.monotonic()
        if now - then >= LOOKED_AT_EVERY:
            used = time.process_time()
            self._is_at_work = used - used_then > AT_WORK * (now - then)
            self._looked_at = (now, used)

    def _call_up(self) -> None:
        """Behind the door: send off whoever can go now. After this, nobody stands in line for a free lane while a call is to spare."""
        while self._calls < self._to_spare and (group := self._next_group()):
            self._leave_line(group)
            self._take(group)
            group[0].gate.release()

    def _next_group(self) -> list[Traveller]:
        """Behind the door: the first in line whose lane is free, and all after it who can go in the same call."""
        ready = [traveller for traveller in self._line if traveller.lane not in self._taken]
        return [traveller for traveller in ready if traveller.function == ready[0].function][:TOGETHER_AT_MOST]

    def _take(self, group: list[Traveller]) -> None:
        """Behind the door: the group's lanes are taken, and its first one leads."""
        self._taken.update(traveller.lane for traveller in group)
        self._calls += 1
        group[0].group = group
