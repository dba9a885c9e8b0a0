"""What must hold of a book, each said as a query for the rows that break it.

A proof recomputes from the entries what posting keeps beside them, so it finds what a fault of ours, a restored backup or a hand in the
database did. Each is one statement, hence one snapshot: it may run while others post.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections


@dataclass(frozen=True, slots=True)
class Proof:
    """`says`: what must hold. `statement`: the rows that break it, with their tenant_id; %(tenant)s is a tenant's id, null for all."""

    name: str
    says: str
    statement: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that breaks a proof; `facts` are the row's columns: what is there and what should be."""

    proof: Proof
    facts: dict[str, Any]


def find_faults(
    proofs: Iterable[Proof], *, tenant_id: UUID | None = None, at_most: int = 1, using: str = DEFAULT_DB_ALIAS
) -> Iterator[Fault]:
    """The first `at_most` faults of each proof, as they are found."""
    for proof in proofs:
        with connections[using].cursor() as cursor:
            cursor.execute(proof.statement, {"tenant": tenant_id})
            names = [column.name for column in cursor.description]
            for row in cursor.fetchmany(at_most):
                yield Fault(proof=proof, facts=dict(zip(names, row, strict=True)))
