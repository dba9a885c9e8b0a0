"""Every proof of every book."""

from collections.abc import Callable, Iterator
from uuid import UUID

import billing.integrity.checks
import billing.integrity.digests
import credits.integrity.checks
import credits.integrity.digests
import metering.integrity.checks
import metering.integrity.digests
from kernel.ledger.integrity.checks import Fault, Proof, find_faults
from kernel.ledger.integrity.digests import DigestProof, find_digest_faults

Search = Callable[[UUID | None, int], Iterator[Fault]]
PROOFS: dict[str, tuple[Proof, ...]] = {
    "billing": billing.integrity.checks.PROOFS,
    "credits": credits.integrity.checks.PROOFS,
    "metering": metering.integrity.checks.PROOFS,
}
DIGESTS: dict[str, tuple[DigestProof, ...]] = {
    "billing": billing.integrity.digests.PROOFS,
    "credits": credits.integrity.digests.PROOFS,
    "metering": metering.integrity.digests.PROOFS,
}
LEDGERS = tuple(PROOFS)


def searches(ledger: str) -> Iterator[tuple[str, str, Search]]:
    """For each proof of a ledger its name, what it says, and how to look for faults: (tenant or None, at most) -> faults."""
    for proof in PROOFS[ledger]:
        yield proof.name, proof.says, _search(proof)
    for digest_proof in DIGESTS[ledger]:
        yield digest_proof.name, digest_proof.says, _digest_search(digest_proof)


def _search(proof: Proof) -> Search:
    return lambda tenant_id, at_most: find_faults([proof], tenant_id=tenant_id, at_most=at_most)


def _digest_search(proof: DigestProof) -> Search:
    return lambda tenant_id, at_most: find_digest_faults(proof, tenant_id=tenant_id, at_most=at_most)
