"""Every proof of every book."""

from collections.abc import Callable, Iterator
from uuid import UUID

import billing.history.digests
import billing.proofs
import credits.history.digests
import credits.proofs
import metering.history.digests
import metering.proofs
from kernel.ledger.digest_proofs import DigestProof, find_digest_faults
from kernel.ledger.proofs import Fault, Proof, find_faults

Search = Callable[[UUID | None, int], Iterator[Fault]]
PROOFS: dict[str, tuple[Proof, ...]] = {
    "billing": billing.proofs.PROOFS,
    "credits": credits.proofs.PROOFS,
    "metering": metering.proofs.PROOFS,
}
DIGESTS: dict[str, tuple[DigestProof, ...]] = {
    "billing": billing.history.digests.PROOFS,
    "credits": credits.history.digests.PROOFS,
    "metering": metering.history.digests.PROOFS,
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
