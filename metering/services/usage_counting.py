"""Counts what transactions used into sums by any two dimensions.

A posting writes no such sum: there are dozens for each transaction, and the busiest of them would be rows that every call waits for.
What was posted is counted afterwards, by a job each minute and by each question (`count_usage`), so every answer has what was recorded
before it. What changes a transaction leaves a note (metering_amend, metering_reauthorize), and the transaction is counted again.
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import Busy
from kernel.ledger.past_reads import final_until
from metering.choices import DIMENSIONS, FactPhase
from metering.models import Fact, Transaction, Usage, UsageKey, UsageNote, UsageProgress, UsageSum
from metering.selectors import Row, rows_of
from metering.selectors.usage_keys import list_tenants_to_count, list_usage_keys
from metering.services.pricing import MODEL_KEYS, find_public_model, parsed_json
from metering.services.usage_bodies import BadQuantity, look_up, read_usage

# Transactions counted in one database transaction: a fraction of a second, because reads of the past wait for it.
PER_PAGE = 2000
# How long a question about usage counts before it is answered that there is too much.
PATIENCE_SECONDS = 10.0
LONGEST_VALUE = 255
# Earlier than anything was recorded.
FIRST_MOMENT = datetime(1900, 1, 1, tzinfo=UTC)
# The columns of tokens, and genai-prices' names of the counters.
TOKENS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
}
# What makes up cache_write_tokens, where a report has the parts only.
CACHE_WRITES = ("cache_write_5m_tokens", "cache_write_1h_tokens")
FACT = ("transaction_id", "phase", "facts", "call_id")


@translate_db_errors
def count_usage(*, tenant_id: UUID, seconds: float | None = None) -> int:
    """Count what was recorded or changed since the last time. The number of transactions counted. Raises Busy, also where
    `seconds` weren't enough."""
    deadline = None if seconds is None else time.monotonic() + seconds
    total = 0
    while counted := _count_page(tenant_id):
        total += counted
        if counted < PER_PAGE:
            break
        if deadline is not None and time.monotonic() > deadline:
            raise Busy(still_counting=True)
    return total


def count_all_usage() -> int:
    """Count the usage of every tenant. The number of transactions counted. Raises Busy."""
    return sum(count_usage(tenant_id=tenant_id) for tenant_id in list_tenants_to_count())


@translate_db_errors
def recount_usage(*, tenant_id: UUID) -> int:
    """Delete a tenant's usage and its sums and count them anew: the repair after an integrity check. The number of transactions. Raises
    Busy."""
    with transaction.atomic():
        posting.run("SELECT metering_lock_usage(%s)", [tenant_id])
        for model in (UsageSum, Usage, UsageNote):
            model.objects.filter(tenant_id=tenant_id).delete()
        UsageProgress.objects.filter(tenant_id=tenant_id).update(counted_until=FIRST_MOMENT)
        UsageKey.objects.filter(tenant_id=tenant_id).update(counts_from=None)
    return count_usage(tenant_id=tenant_id)


def _count_page(tenant_id: UUID) -> int:
    """Count at most PER_PAGE new transactions and as many changed ones; how many of the kind of which there are more."""
    # Before the look at what is there: whatever becomes visible later was recorded after this moment.
    final = final_until()
    with transaction.atomic():
        posting.run("SELECT metering_lock_usage(%s)", [tenant_id])
        found = posting.run("SELECT * FROM metering_list_uncounted_usage(%s, %s)", [tenant_id, PER_PAGE])
        notes = [row for row in found if row.note_id is not None]
        fresh = [row for row in found if row.note_id is None]
        until = final if len(fresh) < PER_PAGE else min(final, fresh[-1].recorded_at)
        if found:
            ids = list(dict.fromkeys(row.transaction_id for row in found))
            count_transactions(tenant_id=tenant_id, ids=ids, notes=[row.note_id for row in notes], until=until)
    return max(len(notes), len(fresh))


def count_transactions(*, tenant_id: UUID, ids: list[UUID], notes: list[UUID], until: datetime | None) -> None:
    """Count these transactions as they are now. The caller holds the tenant's lock of counting. `until`: when all that was recorded
    before is counted by it; None: that doesn't change."""
    keys = list_usage_keys(tenant_id=tenant_id)
    readings = [read_transaction(row, keys=keys) for row in _read_rows(tenant_id, ids)]
    numbers = [*DIMENSIONS.values(), *(key.number for key in keys)]
    posting.run(
        "SELECT metering_count_usage(%s, %s::jsonb, %s::uuid[], %s::smallint[], %s)",
        [tenant_id, msgspec.json.encode(readings).decode(), notes, numbers, until or FIRST_MOMENT],
    )


def _read_rows(tenant_id: UUID, ids: list[UUID]) -> list[Row]:
    """The transactions with what the reading needs, each with its facts in the order in which they were recorded: two queries."""
    columns = ("id", "service__name", "resource_name", "qualifiers", "metadata", "request_facts")
    found = rows_of(Transaction.objects.filter(tenant_id=tenant_id, id__in=ids).values(*columns))
    facts: dict[UUID, list[Row]] = {row["id"]: [] for row in found}
    reported = Fact.objects.filter(tenant_id=tenant_id, transaction_id__in=ids).exclude(phase=FactPhase.REQUEST)
    for fact in rows_of(reported.order_by("created_at", "id").values(*FACT)):
        facts[fact["transaction_id"]].append(fact)
    return [row | {"facts": facts[row["id"]]} for row in found]


def read_transaction(row: Row, *, keys: Iterable[UsageKey]) -> Row:
    """What a transaction's documents and facts say: its model, the values of declared keys by their number, its tokens."""
    reported = [parsed_json(fact["facts"]) for fact in facts_that_count(row["facts"])]
    model = _model(row, reported)
    tokens = dict.fromkeys(TOKENS, Decimal(0))
    for facts in reported:
        for column, quantity in _tokens(facts, service=row["service__name"], model=model or row["resource_name"]).items():
            tokens[column] += quantity
    documents = {place: parsed_json(row[place]) for place in {key.place for key in keys}}
    # A key without a value is there too: it tells that the transaction was counted by the key.
    values = {str(key.number): value_of(documents[key.place], key.name) for key in keys}
    return {
        "transaction_id": row["id"],
        "model": model,
        "keys": values or None,
        **{column: f"{quantity:f}" for column, quantity in tokens.items()},
    }


def facts_that_count(facts: Iterable[Row]) -> list[Row]:
    """The last response of each call; where there is no response, the last report of each."""
    facts = list(facts)
    responses = [fact for fact in facts if fact["phase"] == FactPhase.RESPONSE]
    return list({fact.get("call_id"): fact for fact in responses or facts}.values())


def _model(row: Row, reported: list[Any]) -> str | None:
    """As the facts name it, else the request facts, else the qualifiers; else the resource, if it is a model with a public price."""
    documents = [*reversed(reported), look_up(parsed_json(row["request_facts"]), "request"), parsed_json(row["qualifiers"])]
    named = (look_up(values, key) for values in documents if values for key in MODEL_KEYS)
    model = next((name for name in named if isinstance(name, str) and name), None)
    if model is None and _public_model(row["service__name"], row["resource_name"]) is not None:
        model = row["resource_name"]
    return model and storable(model)


def _tokens(facts: Any, *, service: str, model: str) -> dict[str, Decimal]:
    public = _public_model(service, model)
    try:
        reading = read_usage(facts, provider=public[0] if public else None)
    except BadQuantity:
        reading = None
    counters = reading.counters if reading else {}
    tokens = {column: Decimal(counters.get(name) or 0) for column, name in TOKENS.items()}
    if not tokens["cache_write_tokens"]:
        tokens["cache_write_tokens"] = sum((Decimal(counters.get(name) or 0) for name in CACHE_WRITES), Decimal(0))
    return tokens


@lru_cache(maxsize=10_000)
def _public_model(service: str, model: str) -> tuple[Any, Any] | None:
    return find_public_model(service=service, model=model)


def value_of(document: Any, name: str) -> str | None:
    """A declared key's value in a document, as the text that it is summed under; None where it is absent or null."""
    value = look_up(document, name) if isinstance(document, Mapping) else None
    match value:
        case None:
            return None
        case str():
            text = value
        case bool():
            text = "true" if value else "false"
        case int() | Decimal():
            text = str(value)
        case _:
            text = json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))
    return storable(text)


def storable(text: str) -> str:
    """A text as the database can hold it, cut to LONGEST_VALUE characters."""
    return text[:LONGEST_VALUE].encode(errors="replace").decode().replace("\0", "�")
