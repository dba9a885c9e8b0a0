"""What the proofs of the books said last: the first page tells staff of a check that failed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from backoffice.models import BookCheck


def remember_check(*, tenant_id: UUID | None, ledgers: Sequence[str], proofs: Sequence[dict[str, Any]]) -> BookCheck:
    """Keep the outcome of a run. `proofs`: each with its name (`proof`), `seconds` and `faults`."""
    wrong = [proof for proof in proofs if proof["faults"]]
    first = f"{wrong[0]['proof']}: {wrong[0]['faults'][0]}" if wrong else ""
    return BookCheck.objects.create(
        tenant_id=tenant_id,
        ledgers=", ".join(ledgers)[:100],
        seconds=sum(proof["seconds"] for proof in proofs),
        faults=sum(len(proof["faults"]) for proof in proofs),
        first=first,
    )


def failed_checks(tenant_ids: frozenset[UUID] | None) -> list[BookCheck]:
    """The newest run of each scope, where it found faults."""
    newest = BookCheck.objects.order_by("tenant_id", "ledgers", "-id").distinct("tenant_id", "ledgers")
    found = [check for check in newest if check.faults]
    return [check for check in found if tenant_ids is None or check.tenant_id in tenant_ids]
