"""Counts what transactions used into sums by any two dimensions.

A posting writes no such sum: there are dozens for each transaction, and the busiest of them would be rows that every call waits for.
What was posted is counted afterwards, by a job each minute and by each question (`count_usage`), so every answer has what was recorded
before it. What changes a transaction leaves a note (metering_amend, metering_reauthorize), and the transaction is counted again.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from kernel.ledger import queries
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import Busy
from kernel.ledger.past_reads import final_until
from metering.choices import DIMENSIONS, FactPhase
from metering.models import Usage, UsageKey, UsageNote, UsageProgress, UsageSum
from metering.pricing.price_facts import MODEL_NAME_PATHS, has_input_only, parsed_json
from metering.pricing.public_model_lookup import find_public_model
from metering.selectors import RowDict
from metering.selectors.usage_documents import list_readable
from metering.selectors.usage_keys import list_tenants_to_count, list_usage_keys
from metering.usage_reading.counter_extraction import BadQuantity, look_up
from metering.usage_reading.name_normalization import with_normalized_names
from metering.usage_reading.read_usage import read_usage

# Transactions counted in one database transaction: one or two seconds, because reads of the past wait for it. Many transactions of a page
# count in the same sums, so a larger page writes each sum less often.
PER_PAGE = 10_000
# How long a question about usage counts before it is answered that there is too much.
COUNT_TIMEOUT_SECONDS = 10.0
MAX_VALUE_LENGTH = 255
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
        queries.fetch_rows("SELECT metering_lock_usage(%s)", [tenant_id])
        for model in (UsageSum, Usage, UsageNote):
            model.objects.filter(tenant_id=tenant_id).delete()
        UsageProgress.objects.filter(tenant_id=tenant_id).update(counted_until=FIRST_MOMENT)
        UsageKey.objects.filter(tenant_id=tenant_id).update(counts_from=None)
    return count_usage(tenant_id=tenant_id)


def _count_page(tenant_id: UUID) -> int:
    """Count at most PER_PAGE new transactions and as many changed ones. Returns the larger of the two numbers."""
    # Read before the transactions are listed: whatever becomes visible later was recorded after this moment.
    final = final_until()
    with transaction.atomic():
        queries.fetch_rows("SELECT metering_lock_usage(%s)", [tenant_id])
        found = queries.fetch_rows("SELECT * FROM metering_list_uncounted_usage(%s, %s)", [tenant_id, PER_PAGE])
        notes = [row for row in found if row.note_id is not None]
        fresh = [row for row in found if row.note_id is None]
        until = final if len(fresh) < PER_PAGE else min(final, fresh[-1].recorded_at)
        if found:
            ids = list(dict.fromkeys(row.transaction_id for row in found))
            count_transactions(tenant_id=tenant_id, ids=ids, notes=[row.note_id for row in notes], until=until)
    return max(len(notes), len(fresh))


def count_transactions(*, tenant_id: UUID, ids: list[UUID], notes: list[UUID], until: datetime | None) -> None:
    """Count these transactions as they are now. The caller holds the tenant's lock of counting. `until`: everything
    recorded before this moment is counted then; None: the moment that was noted before stays."""
    keys = list_usage_keys(tenant_id=tenant_id)
    readings = [read_transaction(row, keys=keys) for row in list_readable(tenant_id=tenant_id, ids=ids)]
    numbers = [*DIMENSIONS.values(), *(key.number for key in keys)]
    queries.fetch_rows(
        "SELECT metering_count_usage(%s, %s::uuid[], %s::json, %s::uuid[], %s::smallint[], %s)",
        [tenant_id, ids, msgspec.json.encode(readings).decode(), notes, numbers, until or FIRST_MOMENT],
    )


def read_transaction(row: Any, *, keys: Iterable[UsageKey]) -> RowDict:
    """What a transaction's documents and facts say: its model, the values of declared keys by their number, its tokens; what it has none
    of is left out. `row`: of selectors.usage_documents."""
    reported = [with_normalized_names(report["facts"]) for report in facts_that_count(parsed_json(row.reports) or ())]
    model = _model(row, reported)
    tokens: dict[str, int] = {}
    for facts in reported:
        for column, quantity in _tokens(facts, service=row.service, model=model or row.resource).items():
            tokens[column] = tokens.get(column, 0) + quantity
    reading: RowDict = {"transaction_id": row.id, **{column: str(quantity) for column, quantity in tokens.items()}}
    if model is not None:
        reading["model"] = model
    if keys:
        documents = {place: parsed_json(getattr(row, place)) for place in {key.place for key in keys}}
        # A key without a value is there too: it tells that the transaction was counted by the key.
        reading["keys"] = {str(key.number): value_of(documents[key.place], key.name) for key in keys}
    return reading


def facts_that_count(facts: Iterable[RowDict]) -> list[RowDict]:
    """The last response of each call; where there is no response, the last report of each. The latest one is the last."""
    facts = list(facts)
    last: dict[str | None, RowDict] = {}
    for fact in [fact for fact in facts if fact["phase"] == FactPhase.RESPONSE] or facts:
        last.pop(fact.get("call_id"), None)
        last[fact.get("call_id")] = fact
    return list(last.values())


def _model(row: Any, reported: list[Any]) -> str | None:
    """As the facts name it, else the request facts, else the qualifiers; else the resource, if it is a model with a public price."""
    named = (look_up(values, key) for values in _documents(row, reported) if values for key in MODEL_NAME_PATHS)
    model = next((name for name in named if isinstance(name, str) and name), None)
    if model is None and _public_model(row.service, row.resource) is not None:
        model = row.resource
    return model and storable(model)


def _documents(row: Any, reported: list[Any]) -> Iterator[Any]:
    """Where a model may be named; parsed when they are asked for: nearly always the facts name it."""
    yield from reversed(reported)
    yield look_up(parsed_json(row.request_facts), "request")
    yield parsed_json(row.qualifiers)


def _tokens(facts: Any, *, service: str, model: str) -> dict[str, int]:
    """The tokens by their columns, without zeros."""
    found = _public_model(service, model)
    try:
        reading = read_usage(facts, provider=found[0] if found else None, has_input_only=_has_input_only(service, model))
    except BadQuantity:
        reading = None
    counters = reading.counters if reading else {}
    return {column: int(counters[name]) for column, name in TOKENS.items() if counters.get(name)}


@lru_cache(maxsize=10_000)
def _public_model(service: str, model: str) -> tuple[Any, Any] | None:
    return find_public_model(service=service, model=model)


@lru_cache(maxsize=10_000)
def _has_input_only(service: str, model: str) -> bool:
    """Whether the model is billed by what it reads alone. Its present price says so of the past too."""
    found = _public_model(service, model)
    return found is not None and has_input_only(found[1].get_prices(datetime.now(UTC)))


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
    """A text as the database can hold it, cut to MAX_VALUE_LENGTH characters."""
    return text[:MAX_VALUE_LENGTH].encode(errors="replace").decode().replace("\0", "�")
