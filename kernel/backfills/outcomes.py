"""What ledgers have in common on the way in: keys of rows (an idempotency key, or the row's own id), and how answers are told."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from django.db import connection

from kernel.backfills.adapters import ALREADY_THERE, CONFLICT, POSTED, Adapter, Existing, Outcome
from kernel.backfills.columns import Column, digest_text, identifier, text
from kernel.backfills.rows import Posting, RowRefused
from kernel.ledger.errors import IdempotencyConflict, LedgerError
from kernel.ledger.idempotency import differing
from kernel.ledger.outcomes import Posted
from kernel.tenants.models import Tenant

KEY, ID = "key ", "id "
POST, THERE = Outcome(POSTED), Outcome(ALREADY_THERE)
# Two questions, each by its own index. An array that the planner can't see into is looked for in an index, not in the whole table.
EXISTING = """
SELECT id::text, idempotency_key, facts_digest FROM {table}
WHERE tenant_id = %(tenant)s AND idempotency_key = ANY (ARRAY(SELECT jsonb_array_elements_text(%(keys)s::jsonb)))
UNION
SELECT id::text, idempotency_key, facts_digest FROM {table}
WHERE tenant_id = %(tenant)s AND id = ANY (ARRAY(SELECT jsonb_array_elements_text(%(ids)s::jsonb)::uuid))
"""
ID_COLUMNS = (
    Column("idempotency_key", text(at_most=255), help="the file's own id, which is the key; a row needs it or an id"),
    Column("id", identifier, help="a UUID to be kept (default: a new one)"),
    Column("facts_digest", digest_text, help="from an export: keeps the answer to a repeated call as it was"),
)


def as_json(texts: Sequence[str]) -> str:
    """Texts as one parameter: a list of a thousand costs the client more than looking for them costs the database."""
    return msgspec.json.encode(texts).decode()


def key_of(values: Mapping[str, Any]) -> str:
    """By what a row is known again. Raises RowRefused."""
    if key := values.get("idempotency_key"):
        return f"{KEY}{key}"
    if row_id := values.get("id"):
        return f"{ID}{row_id}"
    raise RowRefused("idempotency_key", "is required where the row has no id of its own")


def find_existing(table: str, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
    """What the ledger's `table` holds under these keys, by one question."""
    given = [key.removeprefix(KEY) for key in keys if key.startswith(KEY)]
    ids = [key.removeprefix(ID) for key in keys if key.startswith(ID)]
    with connection.cursor() as cursor:
        cursor.execute(EXISTING.format(table=table), {"tenant": tenant.id, "keys": as_json(given), "ids": as_json(ids)})
        rows = cursor.fetchall()
    found = {}
    for row_id, key, kept in rows:
        existing = Existing(id=row_id, digest=bytes(kept or b""))
        found[f"{ID}{row_id}"] = existing
        if key is not None:
            found[f"{KEY}{key}"] = existing
    return found


def outcome_of_known_key(facts: Sequence[str], first: bytes, second: bytes, where: str) -> Outcome:
    """What a row is to one that has its key. A row without a digest (the ledger's own closing entries) is known by its id alone."""
    names = differing(facts, first, second) if first else []
    if not names:
        return THERE
    return Outcome(CONFLICT, f"the key stands for {where} with another {', '.join(names)}")


def post_new(adapter: Adapter, tenant: Tenant, postings: Sequence[Posting], post: Callable[[list[Posting]], list[Any]]) -> list[Outcome]:
    """Post through `post` what isn't known by its id already; the ledgers themselves look only for idempotency keys."""
    ids = [posting.key for posting in postings if posting.key.startswith(ID)]
    if not ids:
        return [to_outcome(answer) for answer in post(list(postings))]
    found = adapter.existing(tenant, ids)
    fresh = [posting for posting in postings if posting.key not in found]
    answers = iter(post(fresh) if fresh else ())
    return [
        outcome_of_known_key(adapter.facts, known.digest, posting.digest, f"{known.id} in the book")
        if (known := found.get(posting.key)) is not None
        else to_outcome(next(answers))
        for posting in postings
    ]


def to_outcome(answer: Any) -> Outcome:
    if isinstance(answer, IdempotencyConflict):
        differing = ", ".join(answer.facts["fields"])
        return Outcome(CONFLICT, f"the key stands for {answer.facts['first_id']} in the book with another {differing}")
    if isinstance(answer, LedgerError):
        return Outcome(answer.code, str(answer))
    if isinstance(answer, Posted):
        return THERE if answer.replayed else POST
    return POST if answer.outcome == "posted" else THERE
