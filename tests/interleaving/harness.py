"""Runs two calls of a ledger at the same time, one of them blocked at a lock, and compares the result with the serial orders of the two.

For each lock that a call takes: a third session takes it first, so that the call reads what it needs and then waits. Meanwhile the
other call runs (and optionally an hour passes). Then the third session releases it. The outcomes of both calls and the rows of the
book must equal those of one serial order. This finds calls that decide by what they read before they waited.

All interleavings take ten minutes, so a run of the suite takes one of SHARES, always the same. INTERLEAVINGS=all takes all of them:

    INTERLEAVINGS=all bin/test tests/interleaving

While a call waits for a row it may have locked no row of the same table with a higher id: calls that lock in different orders deadlock.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import time_machine
from django.db import connection

from kernel.base.errors import DomainError

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
LAPSE = timedelta(hours=1)
WAIT_SECONDS = 10.0
SHARES = 1 if os.environ.get("INTERLEAVINGS") == "all" else 3
# A session that waits for a row waits for another session's transaction id; such a lock has no database, so all databases are counted.
# pg_locks shows the sessions of every database of the server, and other tests run in those at the same time.
WAITING = """
    SELECT count(DISTINCT waiting.pid) FROM pg_locks waiting
    JOIN pg_stat_activity session ON session.pid = waiting.pid AND session.datname = current_database()
    WHERE NOT waiting.granted
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that calls lock; the third session locks it before they do."""

    table: str
    tenant_id: UUID
    id: UUID

    def take(self, session: "psycopg.Connection[Any]") -> None:
        session.execute(f"SELECT FROM {self.table} WHERE tenant_id = %s AND id = %s FOR NO KEY UPDATE", [self.tenant_id, self.id])


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a row that calls insert: the third session inserts such a row before they do, and takes it back."""

    table: str
    columns: dict[str, Any]

    def take(self, session: "psycopg.Connection[Any]") -> None:
        places = ", ".join(["%s"] * len(self.columns))
        session.execute(f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES ({places})", list(self.columns.values()))


@dataclass(frozen=True, slots=True)
class Table:
    """A table that calls write to: the third session keeps out writers, but nobody who locks rows."""

    table: str

    def take(self, session: "psycopg.Connection[Any]") -> None:
        session.execute(f"LOCK TABLE {self.table} IN SHARE MODE")


Lock = Row | Key | Table


@dataclass(frozen=True)
class Scene:
    """A ledger and the calls that are run against each other in it.

    `make`: creates a new ledger, under time_machine, and returns it. `rows`: what calls may lock, by name. `state`: the contents of
    the book, without ids and times. `calls`: by name; each takes the book. `lapses`: also let an hour pass while a call waits, for scenes
    in which something becomes overdue within the hour.
    """

    name: str
    make: Callable[[], Any]
    rows: Callable[[Any], Mapping[str, Lock]]
    state: Callable[[Any], Any]
    calls: dict[str, Callable[[Any], Any]]
    lapses: bool = False
    _serial: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _taken: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Sessions:
    """Two sessions of the application, each a thread with its own connection, and a third session that locks rows before them."""

    def __init__(self) -> None:
        self._threads = [ThreadPoolExecutor(max_workers=1) for _ in range(2)]
        parameters = {**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}
        self._third = psycopg.connect(**parameters)
        self._watcher = psycopg.connect(**parameters, autocommit=True)

    def begin(self, number: int, call: Callable[[], Any]) -> "Future[Any]":
        return self._threads[number].submit(call)

    @contextmanager
    def holding(self, lock: Lock) -> Iterator[None]:
        lock.take(self._third)
        try:
            yield
        finally:
            self._third.rollback()

    def is_locked(self, row: Row) -> bool:
        found = f"FROM {row.table} WHERE tenant_id = %s AND id = %s"
        [there] = self._watcher.execute(f"SELECT count(*) {found}", [row.tenant_id, row.id]).fetchone() or [0]
        return bool(there) and self._watcher.execute(f"SELECT {found} FOR NO KEY UPDATE SKIP LOCKED", [row.tenant_id, row.id]).rowcount == 0

    def waits(self, future: "Future[Any]", *, sessions: int) -> bool:
        """Waits until `sessions` sessions wait for a lock (True) or `future` is done (False)."""
        end = monotonic() + WAIT_SECONDS
        while not future.done():
            [count] = self._watcher.execute(WAITING).fetchone() or [0]
            if count >= sessions:
                return True
            if monotonic() > end:
                raise TimeoutError("A call neither ended nor waited for a lock.")
            sleep(0.001)
        return False

    def close(self) -> None:
        for thread in self._threads:
            # A lambda, because `connection` is another object in each thread.
            thread.submit(lambda: connection.close()).result()  # noqa: PLW0108
            thread.shutdown()
        self._third.close()
        self._watcher.close()


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returned, or the error that it raised, without ids and times."""
    try:
        return plain(call())
    except DomainError as error:
        return plain(error)


def plain(value: Any) -> Any:
    """A value without ids, times and digests, so that outcomes of two books can be compared."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    elif is_dataclass(value):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    elif isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, DomainError):
        return type(value).__name__, plain(value.facts)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name != "id" and not name.endswith(("_id", "_at", "_digest", "_by"))}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return number(value)
    return None if isinstance(value, UUID | datetime) else value


def number(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def serial(scene: Scene, steps: tuple[str, ...]) -> Any:
    """The outcomes and the ledger after these calls one after the other; the step "lapse" lets an hour pass."""
    if steps not in scene._serial:
        with time_machine.travel(START, tick=True) as clock:
            book = scene.make()
            replies = {}
            for number, step in enumerate(steps):
                if step == "lapse":
                    clock.shift(LAPSE)
                else:
                    replies[f"{step} {steps[:number].count(step)}"] = outcome(lambda step=step: scene.calls[step](book))
            scene._serial[steps] = (sorted(replies.items()), scene.state(book))
    return scene._serial[steps]


def locks_of(scene: Scene, sessions: Sessions, name: str) -> tuple[str, ...]:
    """The names of the rows that a call waits for if another session has locked them. Raises AssertionError for one out of order."""
    if name not in scene._taken:
        names = []
        with time_machine.travel(START, tick=True):
            for row_name in scene.rows(scene.make()):
                book = scene.make()
                rows = scene.rows(book)
                with sessions.holding(rows[row_name]):
                    future = sessions.begin(0, lambda book=book: outcome(lambda: scene.calls[name](book)))
                    if sessions.waits(future, sessions=1):
                        names.append(row_name)
                        early = [other for other, row in rows.items() if is_after(row, rows[row_name]) and sessions.is_locked(row)]
                        assert not early, f"{name} waits for {row_name} and has locked {early}, with higher ids"
                future.result()
        scene._taken[name] = tuple(names)
    return scene._taken[name]


def is_after(one: Lock, other: Lock) -> bool:
    """Whether a row must be locked after another: rows of one table are locked in the order of their ids."""
    return isinstance(one, Row) and isinstance(other, Row) and one.table == other.table and one.id > other.id


def interleaved(scene: Scene, sessions: Sessions, *, held: str, other: str, row: str, lapse: bool) -> Any:
    """The outcomes and the ledger when `held` waits for `row` while `other` runs."""
    with time_machine.travel(START, tick=True) as clock:
        book = scene.make()
        with sessions.holding(scene.rows(book)[row]):
            first = sessions.begin(0, lambda: outcome(lambda: scene.calls[held](book)))
            if not sessions.waits(first, sessions=1):
                raise AssertionError(f"{held} doesn't wait for {row} any more")
            if lapse:
                clock.shift(LAPSE)
            second = sessions.begin(1, lambda: outcome(lambda: scene.calls[other](book)))
            sessions.waits(second, sessions=2)
        replies = {f"{held} 0": first.result()}
        replies[f"{other} 1" if other == held else f"{other} 0"] = second.result()
        return sorted(replies.items()), scene.state(book)


def orders(held: str, other: str, *, lapse: bool) -> list[tuple[str, ...]]:
    """The serial orders that are allowed, as steps of `serial`."""
    if lapse:
        return [(held, "lapse", other), ("lapse", held, other), ("lapse", other, held)]
    return [(held, other), (other, held)]


def anomalies(scene: Scene, sessions: Sessions, held: str) -> list[str]:
    """Messages about results of a call, blocked at each of its locks while each other call ran, that no serial order has."""
    messages = []
    for row in locks_of(scene, sessions, held):
        for other in scene.calls:
            for lapse in (False, True) if scene.lapses else (False,):
                if not is_in_share(scene.name, held, row, other, str(lapse)):
                    continue
                was = interleaved(scene, sessions, held=held, other=other, row=row, lapse=lapse)
                allowed = [serial(scene, steps) for steps in orders(held, other, lapse=lapse)]
                if not any(same(was, one) for one in allowed):
                    wanted = "\n    or ".join(str(one) for one in allowed)
                    messages.append(
                        f"{held}, held at {row} while {other} ran{' and an hour passed' if lapse else ''}:\n    was {was}\n    not {wanted}"
                    )
    return messages


def is_in_share(*names: str) -> bool:
    """Whether an interleaving is one of those that every run of the suite takes."""
    return zlib.crc32("/".join(names).encode()) % SHARES == 0


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal. Where a call ran against itself, the two may have swapped outcomes."""
    (replies, state), (other_replies, other_state) = one, other
    return state == other_state and (
        replies == other_replies
        or (
            sorted(str(reply) for _, reply in replies) == sorted(str(reply) for _, reply in other_replies)
            and len({name.rpartition(" ")[0] for name, _ in replies}) == 1
        )
    )
