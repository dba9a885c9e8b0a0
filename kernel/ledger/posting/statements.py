"""How a ledger's statement reaches the database: prepared, in one round trip, and outside a transaction its own one."""

import asyncio
import functools
from collections import namedtuple
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connections, transaction
from psycopg import AsyncCursor, Connection, Cursor
from psycopg import Error as PsycopgError
from psycopg.rows import no_result
from psycopg_pool import AsyncConnectionPool

from kernel.ledger.errors import Busy
from kernel.ledger.posting import greenlets, plan_cache
from kernel.ledger.posting.batching import Lanes

# Each lost race means that another call won; more than a few in a row mean that something else is wrong.
RACES_AT_MOST = 5
DEADLOCK = "40P01"
_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, AsyncConnectionPool]]" = WeakKeyDictionary()


def _text(value: Any) -> str:
    """A customer's JSON travels as the text it is: msgspec knows `str` alone, not what is derived from it."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't stand in a posting.")


_encode = msgspec.json.Encoder(enc_hook=_text).encode


def encoded(posting: Mapping[str, Any]) -> bytes:
    """A posting as it travels. What was made ready beforehand, perhaps by another process, goes to `post` as msgspec.Raw."""
    return _encode(posting)


def encoded_with(line: bytes, more: Mapping[str, Any]) -> bytes:
    """An encoded posting with what became known later."""
    return line[:-1] + b"," + _encode(more)[1:]


@functools.cache
def _named(names: tuple[bytes, ...]) -> Callable[[Iterable[Any]], Any]:
    # The types of a row are known to the statement alone.
    make_class: Any = namedtuple
    make_row: Callable[[Iterable[Any]], Any] = make_class("Row", [name.decode() for name in names])._make
    return make_row


def _rows_named(cursor: Any) -> Callable[[Sequence[Any]], Any]:
    """psycopg's namedtuple_row, but for the work that it does again for each call."""
    result = cursor.pgresult
    if result is None or not result.nfields:
        return no_result
    return _named(tuple([result.fname(number) for number in range(result.nfields)]))


def run(statement: str, parameters: Sequence[Any] = (), *, using: str = DEFAULT_DB_ALIAS) -> list[Any]:
    """The rows of one prepared statement, as named tuples.

    Django's own cursor prepares nothing (it binds on the client); psycopg's on the same connection does, at less than half the time.
    Raises Django's database errors.
    """
    with _connected(using) as connected:
        return _run(connected, statement, parameters, using=using)


@contextmanager
def _connected(using: str) -> Iterator["Connection[Any]"]:
    """The thread's own connection if it has one open, else one of the pool's for as long as it is needed. Raises Django's database errors.

    Django itself would keep a pooled one until the request is answered, and making it ready takes as long as sending the statement does.
    """
    if greenlets.errand():
        raise SynchronousOnlyOperation("On the loop a service reads with greenlets.reading.")
    connection: Any = connections[using]
    is_open = connection.connection is not None or connection.in_atomic_block
    with connection.wrap_database_errors:
        if is_open or not (pool := connection.pool):
            connection.ensure_connection()
            yield connection.connection
            return
        pool.open()
        borrowed = pool.getconn()
        try:
            # Whoever had it before may have left it otherwise; then what is posted here would be rolled back.
            borrowed.autocommit = True
            yield borrowed
        finally:
            pool.putconn(borrowed)


def _run(connected: "Connection[Any]", statement: str, parameters: Sequence[Any], *, using: str) -> list[Any]:
    if connections[using].queries_logged:
        # Django's log doesn't see this cursor; who counts queries must.
        connections[using].queries_log.append({"sql": statement, "time": ""})
    with Cursor(connected, row_factory=_rows_named) as cursor:
        cursor.execute(statement, parameters, prepare=True)
        return cursor.fetchall()


def post(
    function: str,
    postings: Sequence[Mapping[str, Any] | msgspec.Raw],
    *,
    races: frozenset[str] = frozenset(),
    refused: Sequence[str] | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> list[Any]:
    """Call a ledger's posting function with an array of postings; one outcome row for each, in their order.

    Amounts travel as decimal strings. `races` names the unique constraints of idempotency keys: where another call wins the key between
    our look and our insert, nothing of ours was written, and the whole call is made again, now to find the winner's row. With `refused`
    an answer is its `outcome` alone and, where nothing was posted, these columns: who posts many reads little of each.
    """
    columns = (
        "*"
        if refused is None
        else ", ".join(("outcome", *(f"CASE WHEN outcome <> 'posted' THEN {name} END AS {name}" for name in refused)))
    )
    return _call(_Function(function, races, using, columns), postings)


def post_one(
    function: str, posting: Mapping[str, Any], *, account: Hashable, races: frozenset[str] = frozenset(), using: str = DEFAULT_DB_ALIAS
) -> Any:
    """The outcome of one posting, which may travel with others that came at the same time (batching.py); as `post` in all else.

    `account` names what the posting function will lock for it; if it is wrong, only time is lost. Inside a transaction nothing is
    batched: another's posting would share its fate. Raises Busy, OutcomeUnknown and Django's database errors.
    """
    wanted = _Function(function, races, using)
    if not settings.LEDGER_BATCHING or connections[using].in_atomic_block:
        return _call(wanted, [posting])[0]
    # Encoded here, so that one that can't be harms nobody else.
    return _lanes().post(wanted, msgspec.Raw(_encode(posting)), account=account)


class _Function(NamedTuple):
    name: str
    races: frozenset[str]
    using: str
    columns: str = "*"


@functools.cache
def _lanes() -> Lanes:
    return Lanes(call=_call, calls_at_most=settings.LEDGER_BATCHING_CALLS, rest=_lend_connection)


def _lend_connection(function: Any) -> None:
    """Give a pooled connection back before waiting: if those who wait held them all, whoever goes first would find none."""
    connection = connections[function.using]
    if not greenlets.errand() and connection.settings_dict["OPTIONS"].get("pool"):
        connection.close()


def _call(function: Any, postings: Sequence[Any], lock_timeout_ms: int | None = None) -> list[Any]:
    """One call of a posting function; again, where it lost a race that left nothing behind. Raises Busy and Django's errors."""
    name, races, using, columns = function
    body = _encode(postings).decode()
    # Name and columns are constants of the ledgers' own services.
    statement, parameters = f"SELECT {columns} FROM {name}(%s::jsonb)", [body]  # noqa: S608
    if lock_timeout_ms is not None:
        # In force before the function begins, and for its transaction alone; without a round trip of its own.
        statement = f"SELECT {columns} FROM {name}(CASE WHEN set_config('lock_timeout', %s, true) <> '' THEN %s::jsonb END)"  # noqa: S608
        parameters = [str(lock_timeout_ms), body]
    for _ in range(RACES_AT_MOST):
        try:
            # Alone, the statement is its own transaction; inside one, a savepoint keeps the outer one usable.
            with transaction.atomic(using=using) if connections[using].in_atomic_block else nullcontext():
                return _sent(statement, parameters, function=name, postings=len(postings), using=using)
        except (IntegrityError, OperationalError) as error:
            if not _is_lost_race(error, races):
                raise
    raise Busy


def _sent(statement: str, parameters: Sequence[Any], *, function: str, postings: int, using: str) -> list[Any]:
    if greenlets.errand():
        with connections[using].wrap_database_errors:
            return greenlets.wait_for(_sent_on_loop(statement, parameters, function=function, postings=postings, using=using))
    with _connected(using) as connected:
        outcomes = _run(connected, statement, parameters, using=using)
        if plan_cache.are_outgrown(connected, function, postings=postings):
            connected.execute(plan_cache.FORGET)
        return outcomes


async def _sent_on_loop(statement: str, parameters: Sequence[Any], *, function: str, postings: int, using: str) -> list[Any]:
    pool = await _pool_on_loop(using)
    connected = await pool.getconn()
    try:
        async with AsyncCursor(connected, row_factory=_rows_named) as cursor:
            await cursor.execute(statement, parameters, prepare=True)
            outcomes = await cursor.fetchall()
        if plan_cache.are_outgrown(connected, function, postings=postings):
            await connected.execute(plan_cache.FORGET)
        return outcomes
    finally:
        await pool.putconn(connected)


async def _pool_on_loop(using: str) -> AsyncConnectionPool:
    """The loop's own connections, made as they are needed; batches take one or two."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    if using not in pools:
        parameters = connections[using].get_connection_params() | {"cursor_factory": AsyncCursor}
        # What Django says to each new connection of its own.
        parameters["options"] = f"{parameters.get('options', '')} -c TimeZone={connections[using].timezone_name}"
        most = max(settings.DATABASE_POOL_SIZE, settings.LEDGER_BATCHING_CALLS + 1)
        pools[using] = AsyncConnectionPool(kwargs=parameters | {"autocommit": True}, open=False, min_size=1, max_size=most, timeout=10)
    pool = pools[using]
    if pool.closed:
        await pool.open()
    return pool


async def close_on_loop() -> None:
    """Give up the running loop's connections: at its end."""
    for pool in _pools.pop(asyncio.get_running_loop(), {}).values():
        await pool.close()


def _is_lost_race(error: Exception, races: frozenset[str]) -> bool:
    """Another call won the key, or the two waited for each other and the database ended ours: nothing of it was written."""
    cause = error.__cause__
    if not isinstance(cause, PsycopgError):
        return False
    return cause.sqlstate == DEADLOCK or cause.diag.constraint_name in races
