"""The statements that call a ledger's posting function: prepared, in one round trip, each its own transaction unless one is open."""

import functools
from collections.abc import Hashable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connections, transaction
from psycopg import Error as PsycopgError

from kernel.ledger.database_errors import constraint_of
from kernel.ledger.errors import Busy
from kernel.ledger.posting.execution import current_execution, row_maker

# Each lost race means that another call won; more than a few in a row mean that something else is wrong.
MAX_CALLS_AFTER_LOST_RACES = 5
DEADLOCK = "40P01"


class PostingFunction(NamedTuple):
    """A posting function, and how it is called. Postings of equal functions can share a call.

    `retryable_constraints`: the unique constraints of idempotency keys, on which another call may have won. `columns`: what is selected of
    its rows. `batch_only_with`: where it is set, only postings with the same value share a call.
    """

    name: str
    retryable_constraints: frozenset[str] = frozenset()
    using: str = DEFAULT_DB_ALIAS
    columns: str = "*"
    batch_only_with: Hashable = None


def _encode_text(value: Any) -> str:
    """A customer's JSON is sent as text: msgspec encodes `str` alone, not its subclasses."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"A posting can't hold a {type(value).__name__}.")


_encode = msgspec.json.Encoder(enc_hook=_encode_text).encode


def encoded(posting: Mapping[str, Any]) -> bytes:
    """A posting as it is sent. One that was encoded beforehand, perhaps by another process, goes to `post` as msgspec.Raw.

    Members that are None are left out: the posting functions read a missing member as null, and half of a posting's members are.
    """
    return _encode({name: value for name, value in posting.items() if value is not None})


def encoded_with(line: bytes, more: Mapping[str, Any]) -> bytes:
    """An encoded posting with further facts."""
    return line[:-1] + b"," + _encode(more)[1:]


def release_connection(function: PostingFunction) -> None:
    """Gives the caller's pooled connection back before the caller waits for others."""
    current_execution().release_connection(function.using)


def call_function(
    function: PostingFunction, postings: Sequence[tuple[UUID, Any]], lock_timeout_ms: int | None = None, *, body: str | None = None
) -> list[Any]:
    """The rows of one call, in the order of the postings, each given with its tenant.

    `body`: the postings of one tenant, encoded beforehand in another form that the function takes.
    Where the call lost a race that left nothing behind, it is made again. `lock_timeout_ms`: None for the session's own. Raises Busy
    and Django's database errors.
    """
    if not postings:
        return []
    tenants = _places_by_tenant(postings)
    # Of functions that differ only in batch_only_with (a tenant) one statement is kept, not one for each tenant.
    statement = _statement(function._replace(batch_only_with=None), several_tenants=len(tenants) > 1)
    bodies = [body] if body is not None else [_body([postings[at][1] for at in places], lock_timeout_ms) for places in tenants.values()]
    parameters = {"tenants": list(tenants), "bodies": bodies, "tenant": next(iter(tenants)), "body": bodies[0]}
    using = function.using
    for _ in range(MAX_CALLS_AFTER_LOST_RACES):
        try:
            # Alone, the statement is its own transaction; inside one, a savepoint keeps the outer one usable.
            with transaction.atomic(using=using) if connections[using].in_atomic_block else nullcontext():
                rows = current_execution().call_function(statement, parameters, function=function.name, postings=len(postings), using=using)
        except (IntegrityError, OperationalError) as error:
            if not _is_lost_race(error, function.retryable_constraints):
                raise
        else:
            return rows if len(tenants) == 1 else _rows_in_order(rows, tenants)
    raise Busy


def _body(postings: list[Any], lock_timeout_ms: int | None) -> str:
    """The postings of one tenant as a JSON array. The first also carries `lock_timeout_ms`, which the function sets for its transaction.

    Not a SET of the session: a pooler gives the next transaction another session. Nor an argument that calls set_config: a database that is
    distributed by tenant then runs the function on its coordinator, and a setting made there doesn't reach the tenant's node.
    """
    bodies = [posting if isinstance(posting, msgspec.Raw) else encoded(posting) for posting in postings]
    if lock_timeout_ms is not None:
        bodies[0] = encoded_with(bytes(bodies[0]), {"lock_timeout_ms": lock_timeout_ms})
    return (b"[%b]" % b",".join(bodies)).decode()


def _places_by_tenant(postings: Sequence[tuple[UUID, Any]]) -> dict[UUID, list[int]]:
    """The places of each tenant's postings. Tenants in order of their ids: two calls that lock rows of the same tenants can't deadlock."""
    places: dict[UUID, list[int]] = {}
    for place, (tenant, _) in enumerate(postings):
        places.setdefault(tenant, []).append(place)
    return places if len(places) == 1 else dict(sorted(places.items(), key=lambda item: str(item[0])))


@functools.cache
def _statement(function: PostingFunction, *, several_tenants: bool) -> str:
    """The statement of a call. Name and columns are constants of the ledgers' own services.

    The postings of one tenant are a plain call, which a database distributed by tenant can run on the tenant's node. Those of several
    tenants are one statement too, in which the function runs once for each tenant.
    """
    tenant, body = ("call.tenant", "call.postings") if several_tenants else ("%(tenant)s::uuid", "%(body)s::jsonb")
    called = f"{function.name}({tenant}, {body})"
    plain = f"SELECT {function.columns} FROM {called}"  # noqa: S608
    if not several_tenants:
        return plain
    calls = "unnest(%(tenants)s::uuid[], %(bodies)s::jsonb[]) WITH ORDINALITY AS call(tenant, postings, place)"
    return f"SELECT outcome.*, call.place FROM {calls}, LATERAL ({plain}) AS outcome"  # noqa: S608


def _rows_in_order(rows: Sequence[Any], tenants: Mapping[UUID, Sequence[int]]) -> list[Any]:
    """The rows of a call of several tenants, each at the place of its posting. Raises ValueError where a tenant has too few or too many."""
    rows_of: dict[int, list[Any]] = {}
    for row in rows:
        rows_of.setdefault(row[-1], []).append(row_maker(row._fields[:-1])(row[:-1]))
    placed: dict[int, Any] = {}
    for number, places in enumerate(tenants.values(), 1):
        placed.update(zip(places, rows_of.get(number, []), strict=True))
    return [placed[place] for place in range(len(placed))]


def _is_lost_race(error: Exception, retryable_constraints: frozenset[str]) -> bool:
    """Another call won the key, or the two waited for each other and the database ended ours: nothing of it was written."""
    cause = error.__cause__
    if not isinstance(cause, PsycopgError):
        return False
    return cause.sqlstate == DEADLOCK or constraint_of(cause) in retryable_constraints
