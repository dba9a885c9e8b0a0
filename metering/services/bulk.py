"""History brought in from files: transactions with their costs in bulk, made ready beforehand, and the taking back of a whole run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Exists, OuterRef, Q

from kernel.backfills.selectors import newest_page
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import IdempotencyConflict, InvalidValue, LedgerError
from kernel.ledger.idempotency import differing
from kernel.ledger.identifiers import new_id_text
from metering.choices import MOVES, Status
from metering.models import Cost, Transaction
from metering.services.amendments import amend, amendment, error_of
from metering.services.digests import FACTS, facts_digest
from metering.services.imported_lifecycle import Later, beginning, came_later, part_of_cost, put_dates
from metering.services.transactions import NO_OBJECT, RACES

# As the caller gave them; metering_post knows them by these names.
GIVEN = (
    *("service_name", "action_name", "resource_name", "metadata", "request_facts", "payment_data", "trace_external_id"),
    *("agent_id", "agent_name", "status", "outcome", "idempotency_key", "occurred_at", "completed_at"),
)
NEW_IDS = ("new_service_id", "new_agent_id", "new_trace_id", "change_id")
OPEN = MOVES[Status.CANCELLED]


def import_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest that the same facts, all three names among them, have when they come through the API."""
    return bytes.fromhex(facts.get("facts_digest") or facts_digest(facts))


def encode_import(facts: Mapping[str, Any], *, digest: bytes, who: Mapping[str, Any]) -> bytes:
    """A transaction as `metering_post` takes it, encoded.

    `facts`: those of record_transactions with all three names, perhaps `id`, and costs with an `id`, which are kept. It is posted as it
    began; what became of it follows (metering.services.imported_lifecycle.later_of). `who`: tenant_id, actor, request_id.
    """
    line = {name: facts[name] for name in GIVEN if name in facts}
    line.update(who)
    line.update({name: new_id_text() for name in NEW_IDS})
    line.update(beginning(facts))
    line["id"] = facts.get("id") or new_id_text()
    line["qualifiers"] = facts.get("qualifiers") or NO_OBJECT
    line["trace_reference"] = facts.get("trace_id")
    line["digest"] = digest.hex()
    line["costs"] = [part_of_cost(cost) for cost in facts.get("costs") or () if not came_later(cost)]
    return posting.encoded(line)


@translate_db_errors
def record_imported_many(*, lines: Sequence[bytes], later: Sequence[Later | None]) -> list[Any]:
    """Post lines of `encode_import`, in order; for each its outcome or the LedgerError that refused it.

    What came `later` of each follows in its order, in the caller's transaction. Raises what refused one of those.
    """
    rows = posting.post("metering_post", [msgspec.Raw(line) for line in lines], races=RACES, refused=("id", "first_digest"))
    posted = [
        (msgspec.json.decode(line), more)
        for row, line, more in zip(rows, lines, later, strict=True)
        if row.outcome == "posted" and more is not None
    ]
    _all_done(_amendment(line, call) for line, more in posted for call in more["calls"])
    put_dates({**more["dates"], "tenant_id": line["tenant_id"], "id": line["id"]} for line, more in posted if more["dates"])
    return [row if row.outcome == "posted" else _answer(row, msgspec.json.decode(line)) for row, line in zip(rows, lines, strict=True)]


@translate_db_errors
def reverse_run(
    *, tenant_id: UUID, actor: str, request_id: str, of: str, at_most: int, below: UUID | None = None
) -> tuple[int, UUID | None]:
    """Supersede by zero the costs of up to so many transactions whose request was `of`, and cancel those still open.

    Newest first and older than `below`; how many were, and the oldest of them. What was completed stays so: that it was done is a fact,
    what it cost is taken back. Raises what refused one.
    """
    costly = Cost.objects.filter(tenant_id=tenant_id, transaction_id=OuterRef("id"), is_active=True, fiat_amount__gt=0)
    brought = Transaction.objects.filter(tenant_id=tenant_id, request_id=of, request_id__startswith="run:")
    left = brought.filter(Q(Exists(costly)) | Q(status__in=OPEN)).values_list("id", "status")
    statuses = dict(newest_page(left, below=below, at_most=at_most))
    costs = Cost.objects.filter(tenant_id=tenant_id, transaction_id__in=list(statuses), is_active=True, fiat_amount__gt=0)
    note = msgspec.json.encode({"takesBack": of}).decode()
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    zeros = [
        amendment(**who, transaction_id=transaction_id, cost=_zero(cost_id, currency, note))
        for cost_id, transaction_id, currency in costs.order_by("id").values_list("id", "transaction_id", "fiat_asset_symbol")
    ]
    move = {"to": Status.CANCELLED.value, "reason": f"taken back with the whole of {of}"}
    moves = [amendment(**who, transaction_id=identifier, move=move) for identifier, status in statuses.items() if status in OPEN]
    _all_done([*zeros, *moves])
    return len(statuses), min(statuses, default=None)


def _amendment(line: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    """A later call, on the transaction of `line` and by the same hand."""
    who: dict[str, Any] = {"tenant_id": UUID(line["tenant_id"]), "actor": line["actor"], "request_id": line["request_id"]}
    return {**amendment(**who, transaction_id=UUID(line["id"]), **call["parts"]), **call["said"]}


def _zero(cost_id: UUID, currency: str, note: str) -> dict[str, Any]:
    return {"amount": 0, "currency": currency, "is_estimate": False, "details": note, "supersedes": cost_id}


def _all_done(amendments: Iterable[Mapping[str, Any]]) -> None:
    items = list(amendments)
    for item, outcome in zip(items, amend(items) if items else (), strict=True):
        if (error := error_of(item, outcome)) is not None:
            raise error


def _answer(row: Any, line: Mapping[str, Any]) -> Any | LedgerError:
    if row.outcome == "unknown_agent":
        return InvalidValue(field="agent_id", reason="unknown_agent", value=str(line["agent_id"]))
    if row.outcome != "conflict":
        return row
    names = differing(FACTS, bytes(row.first_digest), bytes.fromhex(line["digest"]))
    # A digest from before a fact was known is shorter, and yet the same.
    return IdempotencyConflict(first_id=row.id, fields=names) if names else row._replace(outcome="replayed")
