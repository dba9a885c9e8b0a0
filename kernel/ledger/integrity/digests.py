"""Whether a row's facts are still those its digest was made of: a proof that no hand changed a fact, or the digest, behind the ledger.

A digest keeps eight bytes for each fact that the caller gave; what wasn't given is zeros and proves nothing. Rows stream through a cursor
of the server, so memory stays flat over a book of any size.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from kernel.ledger.idempotency import ABSENT, SIZE
from kernel.ledger.integrity.checks import Fault, Proof

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class DigestProof:
    """`statement` selects tenant_id, id, facts_digest and what `digest_of` needs; `facts` are the digest's names, in its order.

    `unproven` are facts that the row doesn't hold as they were given.
    """

    name: str
    says: str
    statement: str
    facts: Sequence[str]
    digest_of: Callable[[Mapping[str, Any]], bytes]
    unproven: frozenset[str] = frozenset()


def find_digest_faults(proof: DigestProof, *, tenant_id: UUID | None = None, at_most: int = 1) -> Iterator[Fault]:
    """The first `at_most` rows whose facts are not those of their digest."""
    told = Proof(name=proof.name, says=proof.says, statement=proof.statement)
    faults = (Fault(proof=told, facts=facts) for row in _rows(proof, tenant_id) if (facts := _differing(proof, row)) is not None)
    return islice(faults, at_most)


def _rows(proof: DigestProof, tenant_id: UUID | None) -> Iterator[dict[str, Any]]:
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(proof.statement, {"tenant": tenant_id})
        names: list[str] = []
        while rows := cursor.fetchmany(CHUNK):
            names = names or [column.name for column in cursor.description]
            for row in rows:
                yield dict(zip(names, row, strict=True))


def _differing(proof: DigestProof, row: Mapping[str, Any]) -> dict[str, Any] | None:
    kept = bytes(row["facts_digest"])
    found = proof.digest_of(row)
    wrong = [
        name
        for place, name in enumerate(proof.facts)
        if name not in proof.unproven and not _agree(kept[place * SIZE : (place + 1) * SIZE], found[place * SIZE : (place + 1) * SIZE])
    ]
    if not wrong and len(kept) % SIZE == 0:
        return None
    return {"tenant_id": row["tenant_id"], "id": row["id"], "facts": wrong, "facts_digest": kept.hex()}


def _agree(kept: bytes, found: bytes) -> bool:
    return kept in (b"", ABSENT) or kept == found
