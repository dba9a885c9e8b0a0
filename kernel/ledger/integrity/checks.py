"""Integrity checks: each is one query for the rows that break a rule of a ledger.

A check recomputes from the entries what the posting functions store beside them (balances, totals, entry numbers), so it finds what a
fault in our code, a restored backup or a direct change in the database has damaged. Each check is one statement and so reads one
snapshot: it may run while others post.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction


@dataclass(frozen=True, slots=True)
class Check:
    """`rule`: what must hold. `statement`: the rows that break it, with their tenant_id; %(tenant)s is a tenant's id, null for all."""

    name: str
    rule: str
    statement: str


@dataclass(frozen=True, slots=True)
class Violation:
    """A row that breaks a check. `facts` are the columns that the check selected: the stored value and the right one among them."""

    check: Check
    facts: dict[str, Any]


def find_violations(
    checks: Iterable[Check], *, tenant_id: UUID | None = None, at_most: int = 1, using: str = DEFAULT_DB_ALIAS
) -> Iterator[Violation]:
    """The first `at_most` violations of each check, of one tenant or of all; each check runs when the iterator reaches it."""
    for check in checks:
        for row in _first_rows(check.statement, tenant_id, at_most, using):
            yield Violation(check=check, facts=row)


def _first_rows(statement: str, tenant_id: UUID | None, at_most: int, using: str) -> list[dict[str, Any]]:
    """The first rows, through a server-side cursor: a badly damaged ledger breaks a check with millions of rows."""
    with transaction.atomic(using=using):
        with connections[using].cursor() as settings:
            # By default the planner prefers plans that return the first rows fast; a correct ledger has none, so all of it is read.
            settings.execute("SET LOCAL cursor_tuple_fraction = 1")
        with connections[using].chunked_cursor() as cursor:
            cursor.execute(statement, {"tenant": tenant_id})
            rows = cursor.fetchmany(at_most)
            names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in rows]
