"""History brought in from files: the same postings in bulk, made ready beforehand, and the reversal of all that one run brought."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from billing.choices import SHIPPED_TYPES, ReversalReason
from billing.models import Transaction
from billing.services.transactions import FACTS, RACES, REFUSALS, told_of
from kernel.backfills.selectors import newest_page
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import IdempotencyConflict
from kernel.ledger.idempotency import differing, digest
from kernel.ledger.identifiers import new_id, new_id_text
from kernel.ledger.money import plain

# What the refusals tell.
REFUSED = ("id", "first_digest", "balance", "requested", "floor", "currency", "blocking_id", "remaining")
GIVEN = ("currency", "type", "reference_id", "agent_id", "description", "metadata", "occurred_at", "reverses", "reason_code", "reason")


def encode_import(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A checked transaction as `billing_post` takes it, but for who posts it (tenant_id, actor, request_id). Asks no database.

    `facts`: the arguments of record_transaction or reverse_transaction; perhaps `id`, which is kept, and `facts_digest` (hexadecimal), kept
    as well, so that callers of another book find their keys here.
    """
    label, direction = SHIPPED_TYPES.get(facts["type"], (None, None))
    return {
        **{name: facts[name] for name in GIVEN if name in facts},
        "id": facts.get("id") or new_id_text(),
        "shipped_label": label,
        "shipped_direction": direction,
        "amount": plain(facts["amount"]),
        "facts_digest": facts.get("facts_digest") or import_digest(facts).hex(),
    }


def import_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest that the same facts have when they come through the API."""
    return digest(told_of(facts), FACTS)


@translate_db_errors
def record_imported_many(lines: Sequence[bytes]) -> list[Any]:
    """Post lines of `encode_import`, encoded, in order; for each its outcome or the LedgerError that refused it."""
    rows = posting.post("billing_post", [msgspec.Raw(line) for line in lines], races=RACES, refused=REFUSED)
    return [_answer(row, line) for row, line in zip(rows, lines, strict=True)]


@translate_db_errors
def reverse_run(
    *, tenant_id: UUID, actor: str, request_id: str, of: str, at_most: int, below: UUID | None = None
) -> tuple[int, UUID | None]:
    """Reverse what is left of up to so many transactions whose request was `of`, newest first and older than `below`.

    How many were, and the oldest of them. Raises what refused one.
    """
    entries = Transaction.objects.filter(tenant_id=tenant_id, request_id=of, reverses=None, reversed_by=None)
    left = entries.filter(request_id__startswith="run:").values_list("id", flat=True)
    found = list(newest_page(left, below=below, at_most=at_most))
    reason = {"reason_code": ReversalReason.OTHER.value, "reason": f"taken back with the whole of {of}"}
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    lines = [posting.encoded({**_reversal(identifier, reason), **who}) for identifier in found]
    if not lines:
        return 0, None
    for answer in record_imported_many(lines):
        if isinstance(answer, Exception):
            raise answer
    return len(lines), found[-1]


def _reversal(original: UUID, reason: Mapping[str, str]) -> dict[str, Any]:
    identifier = new_id()
    facts = {"reverses": original, **reason}
    return {**facts, "id": identifier, "reference_id": str(identifier), "facts_digest": import_digest(facts).hex()}


def _answer(row: Any, written: bytes) -> Any:
    if row.outcome in {"posted", "replayed"}:
        return row
    line = msgspec.json.decode(written)
    if row.outcome == "conflict":
        fields = differing(FACTS, bytes(row.first_digest), bytes.fromhex(line["facts_digest"]))
        # A digest from before a fact was known is shorter, and yet the same.
        return IdempotencyConflict(first_id=row.id, fields=fields) if fields else row._replace(outcome="replayed")
    return REFUSALS[row.outcome](row, {"reverses": None, "type": None, **line})
