"""How a ledger's statement reaches the database: prepared, in one round trip, and outside a transaction its own one."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import msgspec
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from psycopg import Cursor
from psycopg.rows import namedtuple_row

from kernel.ledger.errors import Busy

# Each lost race means that another call won; more than a few in a row mean that something else is wrong.
RACES_AT_MOST = 5


def run(statement: str, parameters: Sequence[Any] = (), *, using: str = DEFAULT_DB_ALIAS) -> list[Any]:
    """The rows of one prepared statement, as named tuples.

    Django's own cursor prepares nothing (it binds on the client); psycopg's on the same connection does, at less than half the time.
    Raises Django's database errors.
    """
    connection = connections[using]
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection, row_factory=namedtuple_row) as cursor:
        if connection.queries_logged:
            # Django's log doesn't see this cursor; who counts queries must.
            connection.queries_log.append({"sql": statement, "time": ""})
        cursor.execute(statement, parameters, prepare=True)
        return cursor.fetchall()


def post(
    function: str, postings: Sequence[Mapping[str, Any]], *, races: frozenset[str] = frozenset(), using: str = DEFAULT_DB_ALIAS
) -> list[Any]:
    """Call a ledger's posting function with an array of postings; one outcome row for each, in their order.

    Amounts travel as decimal strings. `races` names the unique constraints of idempotency keys: where another call wins the key between
    our look and our insert, nothing of ours was written, and the whole call is made again, now to find the winner's row.
    """
    statement = f"SELECT * FROM {function}(%s::jsonb)"  # noqa: S608 - the name is a constant of the ledger's own services
    body = msgspec.json.encode(postings).decode()
    for _ in range(RACES_AT_MOST):
        try:
            # Alone, the statement is its own transaction; inside one, a savepoint keeps the outer one usable.
            with transaction.atomic(using=using) if connections[using].in_atomic_block else nullcontext():
                return run(statement, (body,), using=using)
        except IntegrityError as error:
            if getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) not in races:
                raise
    raise Busy
