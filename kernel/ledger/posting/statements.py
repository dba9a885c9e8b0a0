"""How a ledger's statement reaches the database: prepared, in one round trip, and outside a transaction its own one."""

import asyncio
import functools
from collections import namedtuple
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from uuid import UUID
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
def _row_maker(names: tuple[bytes, ...] | tuple[str, ...]) -> Callable[[Iterable[Any]], Any]:
    """Makes named tuples with these fields. The types of a row are known to the statement alone."""
    make_class: Any = namedtuple
    make_row: Callable[[Iterable[Any]], Any] = make_class("Row", [name if isinstance(name, str) else name.decode() for name in names])._make
    return make_row


def _named_rows(cursor: Any) -> Callable[[Sequence[Any]], Any]:
    """psycopg's namedtuple_row without the work that it repeats for each call."""
    result = cursor.pgresult
    if result is None or not result.nfields:
        return no_result
    return _row_maker(tuple([result.fname(number) for number in range(result.nfields)]))


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


def _run(connected: "Connection[Any]", statement: str, parameters: Sequence[Any] | Mapping[str, Any], *, using: str) -> list[Any]:
    if connections[using].queries_logged:
        # Django's log doesn't see this cursor; who counts queries must.
        connections[using].queries_log.append({"sql": statement, "time": ""})
    with Cursor(connected, row_factory=_named_rows) as cursor:
        cursor.execute(statement, parameters, prepare=True)
        return cursor.fetchall()


def post(
    function: str,
    postings: Sequence[Mapping[str, Any] | msgspec.Raw],
    *,
    tenant_id: UUID | None = None,
    races: frozenset[str] = frozenset(),
    refused: Sequence[str] | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> list[Any]:
    """Call a ledger's posting function with an array of postings of one tenant; one outcome row for each posting, in their order.

    Amounts travel as decimal strings. `races` names the unique constraints of idempotency keys: where another call inserts the key between
    our look and our insert, nothing of ours was written, and the whole call is made again, now to find that row. With `refused` a row has
    its `outcome` and these columns only, and they are null where the outcome is `posted`: who posts many reads little of each.
    Without `tenant_id` the function is called in its old form, with the postings alone.
    """
    columns = (
        "*"
        if refused is None
        else ", ".join(("outcome", *(f"CASE WHEN outcome <> 'posted' THEN {name} END AS {name}" for name in refused)))
    )
    called = _Function(function, races, using, columns, takes_tenant=tenant_id is not None)
    return _call(called, [(tenant_id, posting) for posting in postings])


def post_one(
    function: str,
    posting: Mapping[str, Any],
    *,
    tenant_id: UUID | None = None,
    account: Hashable,
    races: frozenset[str] = frozenset(),
    using: str = DEFAULT_DB_ALIAS,
) -> Any:
    """The outcome row of one posting, which may be sent in one call with others that came at the same time (batching.py); else as `post`.

    `account` names what the posting function will lock for it; if it is wrong, only time is lost. Inside a transaction nothing is
    batched: another's posting would share its fate. Raises Busy, OutcomeUnknown and Django's database errors.
    """
    called = _Function(function, races, using, takes_tenant=tenant_id is not None)
    if not settings.LEDGER_BATCHING or connections[using].in_atomic_block:
        return _call(called, [(tenant_id, posting)])[0]
    # Encoded here, so that a posting that can't be encoded harms no other.
    return _lanes().post(called, (tenant_id, msgspec.Raw(_encode(posting))), account=account)


class _Function(NamedTuple):
    name: str
    races: frozenset[str]
    using: str
    columns: str = "*"
    takes_tenant: bool = False


@functools.cache
def _lanes() -> Lanes:
    return Lanes(call=_call, calls_at_most=settings.LEDGER_BATCHING_CALLS, rest=_lend_connection)


def _lend_connection(function: Any) -> None:
    """Give a pooled connection back before waiting: if those who wait held them all, whoever goes first would find none."""
    connection = connections[function.using]
    if not greenlets.errand() and connection.settings_dict["OPTIONS"].get("pool"):
        connection.close()


def _call(function: Any, postings: Sequence[tuple[UUID | None, Any]], lock_timeout_ms: int | None = None) -> list[Any]:
    """The rows of one call, in the order of the postings. Makes it again where it lost a race that left nothing behind.

    Raises Busy and Django's database errors.
    """
    if not postings:
        return []
    name, races, using, _, _ = function
    tenants = _places_by_tenant(postings)
    statement = _statement(function, several_tenants=len(tenants) > 1, has_lock_timeout=lock_timeout_ms is not None)
    bodies = [_encode([postings[place][1] for place in places]).decode() for places in tenants.values()]
    parameters = {
        "tenants": list(tenants),
        "bodies": bodies,
        "tenant": next(iter(tenants)),
        "body": bodies[0],
        "lock_timeout": str(lock_timeout_ms),
    }
    for _ in range(RACES_AT_MOST):
        try:
            # Alone, the statement is its own transaction; inside one, a savepoint keeps the outer one usable.
            with transaction.atomic(using=using) if connections[using].in_atomic_block else nullcontext():
                rows = _sent(statement, parameters, function=name, postings=len(postings), using=using)
        except (IntegrityError, OperationalError) as error:
            if not _is_lost_race(error, races):
                raise
        else:
            return rows if len(tenants) == 1 else _rows_in_order(rows, tenants)
    raise Busy


def _places_by_tenant(postings: Sequence[tuple[UUID | None, Any]]) -> dict[UUID | None, list[int]]:
    """The places of each tenant's postings. Tenants in order of their ids: two calls that lock rows of the same tenants can't deadlock."""
    places: dict[UUID | None, list[int]] = {}
    for place, (tenant, _) in enumerate(postings):
        places.setdefault(tenant, []).append(place)
    return places if len(places) == 1 else dict(sorted(places.items(), key=lambda item: str(item[0])))


@functools.cache
def _statement(function: Any, *, several_tenants: bool, has_lock_timeout: bool) -> str:
    """The statement of a call. Name and columns are constants of the ledgers' own services.

    The postings of one tenant are a plain call, which a database distributed by tenant can run on the tenant's node. Those of several
    tenants are one statement too, in which the function runs once for each tenant.
    """
    tenant, body = ("call.tenant", "call.postings") if several_tenants else ("%(tenant)s::uuid", "%(body)s::jsonb")
    if has_lock_timeout:
        # In force before the function begins, and for its transaction alone; without a round trip of its own.
        body = f"CASE WHEN set_config('lock_timeout', %(lock_timeout)s, true) <> '' THEN {body} END"
    called = f"{function.name}({tenant}, {body})" if function.takes_tenant else f"{function.name}({body})"
    plain = f"SELECT {function.columns} FROM {called}"  # noqa: S608
    if not several_tenants:
        return plain
    calls = "unnest(%(tenants)s::uuid[], %(bodies)s::jsonb[]) WITH ORDINALITY AS call(tenant, postings, place)"
    return f"SELECT outcome.*, call.place FROM {calls}, LATERAL ({plain}) AS outcome"  # noqa: S608


def _rows_in_order(rows: Sequence[Any], tenants: Mapping[UUID | None, Sequence[int]]) -> list[Any]:
    """The rows of a call of several tenants, each at the place of its posting. Raises ValueError where a tenant has too few or too many."""
    rows_of: dict[int, list[Any]] = {}
    for row in rows:
        rows_of.setdefault(row[-1], []).append(_row_maker(row._fields[:-1])(row[:-1]))
    placed: dict[int, Any] = {}
    for number, places in enumerate(tenants.values(), 1):
        placed.update(zip(places, rows_of.get(number, []), strict=True))
    return [placed[place] for place in range(len(placed))]


def _sent(statement: str, parameters: Mapping[str, Any], *, function: str, postings: int, using: str) -> list[Any]:
    if greenlets.errand():
        with connections[using].wrap_database_errors:
            return greenlets.wait_for(_sent_on_loop(statement, parameters, function=function, postings=postings, using=using))
    with _connected(using) as connected:
        outcomes = _run(connected, statement, parameters, using=using)
        if plan_cache.are_outgrown(connected, function, postings=postings):
            connected.execute(plan_cache.FORGET)
        return outcomes


async def _sent_on_loop(statement: str, parameters: Mapping[str, Any], *, function: str, postings: int, using: str) -> list[Any]:
    pool = await _pool_on_loop(using)
    connected = await pool.getconn()
    try:
        async with AsyncCursor(connected, row_factory=_named_rows) as cursor:
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
