"""Many postings of metering_post as one array for each attribute, as the SQL type metering_posting_columns has them.

PostgreSQL reads a thousand in two thirds of the time that a JSON array of as many objects takes, each with the same names.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from kernel.ledger import posting

# With fewer the time to prepare for so many arrays outweighs what they save.
MIN_POSTINGS = 100
NAMES = (
    *("id", "actor", "request_id", "occurred_at", "checks_occurred_at", "completed_at", "idempotency_key", "facts_digest", "service_name"),
    *("agent_id", "agent_name", "trace_reference", "trace_external_id", "new_trace_id", "action_name", "resource_name", "status"),
    *("call_outcome", "qualifiers", "metadata", "request_facts", "payment_data", "customer_id", "change_id", "ending_digest"),
)
FACT = (
    *("id", "source", "version", "phase", "facts", "integration", "pricing", "pricing_note", "pricing_fields", "call_id"),
    "facts_digest",
)
# Sent once where all postings have one value: PostgreSQL reads an array of it, value by value, in as much time as any other.
SHARED = frozenset(
    (
        *("actor", "request_id", "occurred_at", "checks_occurred_at", "service_name", "agent_id", "agent_name", "action_name"),
        *("resource_name", "status", "call_outcome", "qualifiers", "metadata", "customer_id"),
    )
)
SHARED_OF_FACT = frozenset({"source", "version", "phase", "integration", "pricing", "pricing_note", "pricing_fields"})
SHARED_OF_COST = frozenset({"currency", "is_estimate"})
COST = ("id", "amount", "currency", "is_estimate", "details", "supersedes_ids", "inferred_from_id", "superseded_by_id")
NO_FACT: Mapping[str, Any] = {}
NO_COSTS: Sequence[Mapping[str, Any]] = ({},)


def encoded_columns(items: Sequence[Mapping[str, Any]]) -> str:
    """The postings as they are sent; an attribute that none of them has is left out."""
    facts = [item.get("fact", NO_FACT) for item in items]
    costs = [(place, _sent(cost)) for place, item in enumerate(items, start=1) for cost in item["costs"] or NO_COSTS]
    columns, shared = _columns(items, NAMES, shared_names=SHARED)
    fact_columns, shared_fact = _columns(facts, FACT, shared_names=SHARED_OF_FACT, prefix="fact_")
    cost_columns, shared_cost = _columns([cost for _, cost in costs], COST, shared_names=SHARED_OF_COST, prefix="cost_")
    columns |= fact_columns | cost_columns
    columns["cost_posting"] = [place for place, _ in costs]
    columns["shared"] = {**shared, "fact": shared_fact, "costs": [shared_cost]}
    return posting.encoded(columns).decode()


def _columns(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], *, shared_names: Set[str], prefix: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of each attribute. One of `shared_names` that is the same in all rows stands once, in the second dictionary."""
    columns: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        first = values[0]
        is_shared = (first is None or name in shared_names) and values.count(first) == len(values)
        if not is_shared:
            columns[prefix + name] = values
        elif first is not None:
            shared[name] = first
    return columns, shared


def _sent(cost: Mapping[str, Any]) -> Mapping[str, Any]:
    """A cost as it is sent: `supersedes_ids` is one text, because PostgreSQL takes an array of arrays only if all have one length."""
    return {**cost, "supersedes_ids": f"{{{','.join(map(str, cost['supersedes_ids']))}}}"} if "supersedes_ids" in cost else cost
