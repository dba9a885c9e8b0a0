"""Transactions imported from files: many postings encoded beforehand, and the reversal of everything that one run posted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billing.choices import SHIPPED_TYPES, ReversalReason
from billing.digests import facts_digest
from billing.models import Transaction
from billing.services.posting_rows import TransactionRow
from billing.services.postings import RETRYABLE_CONSTRAINTS, read_posting
from kernel.backfills.selectors import newest_page
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import AlreadyReversed, LedgerError
from kernel.ledger.identifiers import new_id, new_id_text
from kernel.ledger.money import trimmed_digits
from kernel.ledger.outcomes import POSTED, Posted

# The columns of an outcome that are read where nothing was posted: the facts of errors, and those of the entry that has the key already.
REFUSED = (
    *("id", "first_digest", "balance", "held", "requested", "floor", "currency", "wallet_currency", "blocking_id", "remaining"),
    *("amount", "agent_id", "description", "occurred_at", "metadata", "reverses_id", "reason_code", "reason"),
)
COPIED_FACTS = (
    "currency",
    "type",
    "reference_id",
    "agent_id",
    "description",
    "metadata",
    "occurred_at",
    "reverses",
    "reason_code",
    "reason",
)


def encode_import(facts: Mapping[str, Any], *, actor: str, request_id: str) -> bytes:
    """A checked transaction as `billing_post` takes it, encoded. Runs no query.

    `facts`: the arguments of record_transaction or reverse_transaction; optionally `id` and `facts_digest` (hexadecimal), which are kept,
    so that callers of the ledger that the file comes from can repeat their calls here.
    """
    label, direction = SHIPPED_TYPES.get(facts["type"], (None, None))
    line = {
        **{name: facts[name] for name in COPIED_FACTS if name in facts},
        "id": facts.get("id") or new_id_text(),
        "shipped_label": label,
        "shipped_direction": direction,
        "amount": trimmed_digits(facts["amount"]),
        "facts_digest": facts.get("facts_digest") or facts_digest(facts).hex(),
        "actor": actor,
        "request_id": request_id,
    }
    return posting.encoded(line)


@translate_db_errors
def record_imported_many(*, tenant_id: UUID, lines: Sequence[bytes]) -> list[Posted[TransactionRow] | LedgerError]:
    """Post encoded lines of `encode_import`, in order. One outcome for each: Posted or its error."""
    encoded = [msgspec.Raw(line) for line in lines]
    rows = posting.post(
        "billing_post", encoded, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS, columns_if_refused=REFUSED
    )
    return [Posted(row) if row.outcome == POSTED else read_posting(row, _decode(line)) for row, line in zip(rows, lines, strict=True)]


@translate_db_errors
def reverse_run(
    *, tenant_id: UUID, actor: str, request_id: str, run_request_id: str, at_most: int, below: UUID | None = None
) -> tuple[int, UUID | None]:
    """Reverse what remains of up to `at_most` transactions of the run `run_request_id`, newest first and older than `below`.

    A run's transactions have its request_id, which is "run:<id>". Returns how many were reversed, and the oldest at which it looked. One
    that another call reversed while this one waited for the wallet's lock is left alone. Raises the error of the first that was refused.
    """
    entries = Transaction.objects.filter(tenant_id=tenant_id, request_id=run_request_id, reverses=None, reversed_by=None)
    # The prefix repeats the condition of the partial index billing_transaction_run: without it the planner doesn't use that index.
    remaining = entries.filter(request_id__startswith="run:").values_list("id", flat=True)
    originals = list(newest_page(remaining, below=below, at_most=at_most))
    reason = {"reason_code": ReversalReason.OTHER.value, "reason": f"taken back with the whole of {run_request_id}"}
    lines = [posting.encoded({**_reversal(original, reason), "actor": actor, "request_id": request_id}) for original in originals]
    if not lines:
        return 0, None
    outcomes = record_imported_many(tenant_id=tenant_id, lines=lines)
    for outcome in outcomes:
        if isinstance(outcome, LedgerError) and not isinstance(outcome, AlreadyReversed):
            raise outcome
    return sum(isinstance(outcome, Posted) for outcome in outcomes), originals[-1]


def _reversal(original: UUID, reason: Mapping[str, str]) -> dict[str, Any]:
    identifier = new_id()
    facts = {"reverses": original, **reason}
    return {**facts, "id": identifier, "reference_id": str(identifier), "facts_digest": facts_digest(facts).hex()}


def _decode(line: bytes) -> dict[str, Any]:
    """The posting of a line, with every name that read_posting may ask for."""
    posting_item: dict[str, Any] = {"reverses": None, "type": None, **msgspec.json.decode(line)}
    if posting_item.get("occurred_at") is not None:
        posting_item["occurred_at"] = datetime.fromisoformat(posting_item["occurred_at"])
    return posting_item
