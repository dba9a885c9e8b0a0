"""Transactions imported from files: many postings encoded beforehand, and the reversal of everything that one run posted."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from kernel.backfills.selectors import newest_page
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.identifiers import new_id_text
from kernel.ledger.outcomes import POSTED, Posted, posted_or_error
from metering.choices import MOVES, Status
from metering.digests import TRANSACTION_FACTS, transaction_digest
from metering.models import Cost, Transaction
from metering.services import new_transaction_calls
from metering.services.amendments import amend_all, make_amendment
from metering.services.imported_lifecycle import Later, came_later, first_status, make_first_cost, set_status_dates
from metering.services.posting_rows import ImportedRow
from metering.services.postings import NO_OBJECT

# Facts that metering_posting has under the same names.
SAME_NAMES = (
    *("service_name", "action_name", "resource_name", "metadata", "request_facts", "payment_data", "customer_id", "trace_external_id"),
    *("agent_id", "agent_name", "status", "idempotency_key", "occurred_at", "completed_at"),
)
NEW_IDS = ("new_trace_id", "change_id")
OPEN = MOVES[Status.CANCELLED]


def import_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest that the same facts, all three names among them, have when they come through the API."""
    known = facts.get("facts_digest")
    return bytes.fromhex(known) if known else transaction_digest(facts)


def encode_import(facts: Mapping[str, Any], *, digest: bytes, actor: str, request_id: str) -> bytes:
    """A transaction as `metering_post` takes it, encoded.

    `facts`: those of record_transactions with all three names, perhaps `id`, and costs with an `id`, which are kept. It is posted
    with its first status; its later life follows (metering.services.imported_lifecycle.later_of).
    """
    line = {name: facts[name] for name in SAME_NAMES if name in facts}
    line.update(actor=actor, request_id=request_id)
    line.update({name: new_id_text() for name in NEW_IDS})
    line["call_outcome"] = facts.get("outcome")
    line.update(first_status(facts))
    line["id"] = facts.get("id") or new_id_text()
    line["qualifiers"] = facts.get("qualifiers") or NO_OBJECT
    line["trace_reference"] = facts.get("trace_id")
    line["facts_digest"] = digest.hex()
    line["costs"] = [make_first_cost(cost) for cost in facts.get("costs") or () if not came_later(cost)]
    return posting.encoded(line)


@translate_db_errors
def record_imported_many(
    *, tenant_id: UUID, lines: Sequence[bytes], later: Sequence[Later | None]
) -> list[Posted[ImportedRow] | LedgerError]:
    """Post lines of `encode_import`, in order. One outcome for each: Posted or its error.

    The later life of each (`later`, from later_of) is posted after it, in the caller's database transaction. Raises the LedgerError that
    refuses one of those.
    """
    encoded = [msgspec.Raw(line) for line in lines]
    rows = new_transaction_calls.post_new_transactions(encoded, tenant_id=tenant_id, columns_if_refused=("id", "first_digest"))
    posted = [
        (msgspec.json.decode(line), more)
        for row, line, more in zip(rows, lines, later, strict=True)
        if row.outcome == POSTED and more is not None
    ]
    calls = [_make_later_amendment(line, call) for line, more in posted for call in more["calls"]]
    if calls:
        amend_all(calls, tenant_id=tenant_id)
    set_status_dates({**more["dates"], "tenant_id": tenant_id, "id": line["id"]} for line, more in posted if more["dates"])
    return [
        Posted(row) if row.outcome == POSTED else _read_refused(row, msgspec.json.decode(line))
        for row, line in zip(rows, lines, strict=True)
    ]


@translate_db_errors
def reverse_run(
    *, tenant_id: UUID, actor: str, request_id: str, run_request_id: str, at_most: int, below: UUID | None = None
) -> tuple[int, UUID | None]:
    """Supersede by zero the costs of up to `at_most` transactions of the run `run_request_id`, and cancel those that aren't over.

    A run's transactions have its request_id, which is "run:<id>". Newest first and older than `below`. Returns how many there were, and
    the oldest of them. A completed transaction stays completed: that it happened is a fact, and only its cost is reversed. What another
    call changed while this one waited for a lock is seen after the wait. Raises the error of the first that was refused.
    """
    costly = Cost.objects.filter(tenant_id=tenant_id, transaction_id=OuterRef("id"), is_active=True, fiat_amount__gt=0)
    imported = Transaction.objects.filter(tenant_id=tenant_id, request_id=run_request_id, request_id__startswith="run:")
    remaining = imported.filter(Q(Exists(costly)) | Q(status__in=OPEN)).values_list("id", flat=True)
    chosen = list(newest_page(remaining, below=below, at_most=at_most))
    with transaction.atomic():
        # Costs and statuses change only under their transaction's lock: they are read once that is held.
        locked = Transaction.objects.filter(tenant_id=tenant_id, id__in=chosen).order_by("id").select_for_update(no_key=True)
        statuses = dict(locked.values_list("id", "status"))
        costs = Cost.objects.filter(tenant_id=tenant_id, transaction_id__in=chosen, is_active=True, fiat_amount__gt=0)
        audit: dict[str, Any] = {"actor": actor, "request_id": request_id}
        zeros = [
            _make_zero(cost, run=run_request_id, audit=audit)
            for cost in costs.order_by("id").values("id", "transaction_id", "fiat_asset_symbol")
        ]
        move = {"to_status": Status.CANCELLED.value, "reason": f"taken back with the whole of {run_request_id}"}
        stated = {"call": Status.CANCELLED.value, "reason": move["reason"]}
        moves = [
            make_amendment(**audit, transaction_id=transaction_id, stated=stated, move=move)
            for transaction_id, status in statuses.items()
            if status in OPEN
        ]
        if zeros or moves:
            amend_all([*zeros, *moves], tenant_id=tenant_id)
    return len(statuses), min(statuses, default=None)


def _make_zero(cost: Mapping[str, Any], *, run: str, audit: Mapping[str, Any]) -> dict[str, Any]:
    """An amendment that supersedes a cost by zero."""
    details = msgspec.json.encode({"takesBack": run}).decode()
    zero = {"amount": 0, "currency": cost["fiat_asset_symbol"], "is_estimate": False, "details": details, "supersedes_ids": [cost["id"]]}
    stated = {"call": "undo", "supersedes_id": cost["id"], "cost_details": details}
    return make_amendment(**audit, transaction_id=cost["transaction_id"], stated=stated, cost=zero)


def _make_later_amendment(line: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    """A later call, on the transaction of `line`. An exported row keeps its digest and its time."""
    stamps = {name: value for name, value in call["stamps"].items() if value is not None}
    amendment = make_amendment(actor=line["actor"], request_id=line["request_id"], transaction_id=UUID(line["id"]), **call["parts"])
    return {**amendment, **stamps}


def _read_refused(row: Any, line: Mapping[str, Any]) -> Posted[ImportedRow] | LedgerError:
    return posted_or_error(
        row,
        facts_digest=bytes.fromhex(line["facts_digest"]),
        names=TRANSACTION_FACTS,
        errors={"unknown_agent": lambda _: InvalidValue(field="agent_id", reason="unknown_agent", value=str(line["agent_id"]))},
    )
