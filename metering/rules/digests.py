"""Digests of the calls that change rules, which tell a replay of an idempotency key from a conflict."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.ledger.fact_digests import digest
from metering.digests import parse_document

# The facts of a change, in the digest's order. New facts are appended.
CHANGE_FACTS = (
    "call",
    "rule_id",
    "version",
    "name",
    "rule_type",
    "resolution_strategy",
    "status",
    "metadata",
    "notify_at",
    "parameters",
    "conditions",
    "agent_ids",
)


def change_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of a call that changes a rule. `facts`: some of CHANGE_FACTS, as the caller stated them."""
    comparable = {name: _comparable(value) for name, value in facts.items() if value is not None}
    if "metadata" in comparable:
        comparable["metadata"] = parse_document(comparable["metadata"])
    return digest(comparable, CHANGE_FACTS)


def _comparable(value: Any) -> Any:
    """Amounts by their value, ids as texts; what is absent is left out."""
    match value:
        case Decimal():
            return f"{value.normalize() + 0:f}"
        case UUID():
            return str(value)
        case Mapping():
            return {name: _comparable(part) for name, part in value.items() if part is not None}
        case list() | tuple():
            return [_comparable(part) for part in value]
    return value
