"""The keys of rows (an idempotency key, or the row's own id), looked up in the ledger, and the outcomes of postings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from django.db import connection

from kernel.backfills.adapters import ALREADY_THERE, CONFLICT, Adapter, Existing, Outcome
from kernel.backfills.errors import RowRefused
from kernel.backfills.reading.columns import Column, digest_text, identifier, key_text
from kernel.backfills.reading.rows import Posting
from kernel.ledger.errors import IdempotencyConflict, LedgerError
from kernel.ledger.fact_digests import differing_facts
from kernel.ledger.outcomes import POSTED, Posted
from kernel.tenants.models import Tenant

KEY, ID = "key ", "id "
# UNION of two SELECTs, so that each uses its own index. Keys come as one jsonb parameter inside a subquery: the planner doesn't know
# their number and uses the index instead of scanning the table.
EXISTING = """
SELECT id::text, idempotency_key, facts_digest, request_id FROM {table}
WHERE tenant_id = %(tenant)s AND idempotency_key = ANY (ARRAY(SELECT jsonb_array_elements_text(%(keys)s::jsonb)))
UNION
SELECT id::text, idempotency_key, facts_digest, request_id FROM {table}
WHERE tenant_id = %(tenant)s AND id = ANY (ARRAY(SELECT jsonb_array_elements_text(%(ids)s::jsonb)::uuid))
"""
ID_COLUMNS = (
    Column("idempotency_key", key_text(at_most=255), help="the file's own id, which is the key; a row needs it or an id"),
    Column("id", identifier, help="a UUID to be kept (default: a new one)"),
    Column("facts_digest", digest_text, help="from an export: repeated calls of the old ledger are recognised in the new one"),
)


def as_json(texts: Sequence[str]) -> str:
    """Texts as one parameter: psycopg takes longer to adapt a list of a thousand than the database takes to look them up."""
    return msgspec.json.encode(texts).decode()


def key_of(values: Mapping[str, Any]) -> str:
    """The key of a row. Raises RowRefused."""
    if key := values.get("idempotency_key"):
        return f"{KEY}{key}"
    if row_id := values.get("id"):
        return f"{ID}{row_id}"
    raise RowRefused("idempotency_key", "is required where the row has no id of its own")


def find_existing(table: str, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
    """The rows of `table` that have these keys, in one query."""
    idempotency_keys = [key.removeprefix(KEY) for key in keys if key.startswith(KEY)]
    ids = [key.removeprefix(ID) for key in keys if key.startswith(ID)]
    with connection.cursor() as cursor:
        cursor.execute(EXISTING.format(table=table), {"tenant": tenant.id, "keys": as_json(idempotency_keys), "ids": as_json(ids)})
        rows = cursor.fetchall()
    existing = {}
    for row_id, key, digest, request_id in rows:
        row = Existing(id=row_id, digest=bytes(digest or b""), request_id=request_id)
        existing[f"{ID}{row_id}"] = row
        if key is not None:
            existing[f"{KEY}{key}"] = row
    return existing


def outcome_of_known_key(
    facts: Sequence[str], first: bytes, second: bytes, where: str, *, recorded: bytes = b"", meant: bytes = b""
) -> Outcome:
    """The outcome of a row whose key was used before. A first row without a digest (a closing entry of the ledger) has only its id.

    `recorded` is the digest of what the first row records and `meant` of what the second one means, each with its defaults: a fact that is
    equal there is no difference, as in calls of the API. Without `recorded` the digests of what was stated decide.
    """
    names = differing_facts(facts, first, second) if first else []
    if names and recorded:
        others = differing_facts(facts, recorded, meant)
        names = [name for name in names if name in others]
    if not names:
        return Outcome(ALREADY_THERE)
    return Outcome(CONFLICT, f"the key stands for {where} with another {', '.join(names)}")


def post_new(adapter: Adapter, tenant: Tenant, postings: Sequence[Posting], post: Callable[[list[Posting]], list[Any]]) -> list[Outcome]:
    """Post those postings whose id isn't in the ledger. The ledgers themselves look up idempotency keys, but not ids."""
    ids = [posting.key for posting in postings if posting.key.startswith(ID)]
    if not ids:
        return [to_outcome(answer) for answer in post(list(postings))]
    existing = adapter.existing(tenant, ids)
    new = [posting for posting in postings if posting.key not in existing]
    answers = iter(post(new) if new else ())
    return [
        outcome_of_known_key(adapter.facts, known.digest, posting.digest, f"{known.id} in the ledger")
        if (known := existing.get(posting.key)) is not None
        else to_outcome(next(answers))
        for posting in postings
    ]


def to_outcome(answer: Posted[Any] | LedgerError) -> Outcome:
    """The outcome of what a ledger's service returned for one posting: Posted, or the error that refused it."""
    if isinstance(answer, IdempotencyConflict):
        names = ", ".join(answer.facts["fields"])
        return Outcome(CONFLICT, f"the key stands for {answer.facts['first_id']} in the ledger with another {names}")
    if isinstance(answer, LedgerError):
        return Outcome(answer.code, str(answer))
    return Outcome(POSTED if answer.is_new else ALREADY_THERE)
