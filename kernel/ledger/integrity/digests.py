"""Digest checks: whether a row's facts are still those that its facts_digest was made of.

They find a fact, or a digest, that was changed in the database behind the ledger. A digest holds eight bytes for each fact that the caller
gave; eight zero bytes mean "not given": then the row has nothing either, or what the ledger fills in by itself. Rows stream through a
server-side cursor, so that memory stays constant for a ledger of any size.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from kernel.ledger.fact_digests import ABSENT, SIZE
from kernel.ledger.integrity.checks import Check, Violation

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class DigestCheck:
    """`statement` selects tenant_id, id, facts_digest and what `digest_of` needs; `facts` names the digest's facts, in its order.

    `unproven` names the facts that the row doesn't store as the caller gave them. `only_stated` names the facts that the ledger never
    fills in: where the caller gave none, the row has none.
    """

    name: str
    rule: str
    statement: str
    facts: Sequence[str]
    digest_of: Callable[[Mapping[str, Any]], bytes]
    unproven: frozenset[str] = frozenset()
    only_stated: frozenset[str] = frozenset()


def find_digest_violations(check: DigestCheck, *, tenant_id: UUID | None = None, at_most: int = 1) -> Iterator[Violation]:
    """The first `at_most` rows whose facts differ from their digest. A violation's `facts` names them."""
    plain = Check(name=check.name, rule=check.rule, statement=check.statement)
    violations = (Violation(check=plain, facts=facts) for row in _rows(check, tenant_id) if (facts := _differing(check, row)) is not None)
    return islice(violations, at_most)


def _rows(check: DigestCheck, tenant_id: UUID | None) -> Iterator[dict[str, Any]]:
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(check.statement, {"tenant": tenant_id})
        names: list[str] = []
        while rows := cursor.fetchmany(CHUNK):
            names = names or [column.name for column in cursor.description]
            for row in rows:
                yield dict(zip(names, row, strict=True))


def _differing(check: DigestCheck, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The facts of a violation, or None for a sound row."""
    stored = bytes(row["facts_digest"])
    computed = check.digest_of(row)
    wrong = [
        name
        for place, name in enumerate(check.facts)
        if name not in check.unproven
        and not _agrees(check, row, name, stored[place * SIZE : (place + 1) * SIZE], computed[place * SIZE : (place + 1) * SIZE])
    ]
    if not wrong and len(stored) % SIZE == 0:
        return None
    return {"tenant_id": row["tenant_id"], "id": row["id"], "facts": wrong, "facts_digest": stored.hex()}


def _agrees(check: DigestCheck, row: Mapping[str, Any], name: str, stored: bytes, computed: bytes) -> bool:
    """Whether a fact of the row is the one in the digest. `stored` is empty in a digest that is older than the fact: it proves nothing."""
    if stored == ABSENT:
        return name not in check.only_stated or computed == ABSENT or row.get(name) in (None, "")
    return stored in (b"", computed)
