"""What makes two calls with one idempotency key the same call: amounts by their value, documents by what they say."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kernel.ledger.idempotency import digest

# What a new transaction's digest is made of, in its order. New facts are appended.
FACTS = (
    "service_name",
    "action_name",
    "resource_name",
    "qualifiers",
    "metadata",
    "request_facts",
    "payment_data",
    "trace_id",
    "trace_external_id",
    "agent_id",
    "agent_name",
    "costs",
    "occurred_at",
    "status",
    "outcome",
)
DOCUMENTS = ("qualifiers", "metadata", "request_facts", "payment_data", "facts", "integration", "cost_details")


def comparable(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts as a digest compares them: the spacing and key order of a document are no facts, the digits of its numbers are."""
    told: dict[str, Any] = {name: str(value) if isinstance(value, UUID) else value for name, value in facts.items()}
    for name in DOCUMENTS:
        if told.get(name) is not None:
            told[name] = said(told[name])
    told["costs"] = [
        [f"{cost['fiat_amount'].normalize() + 0:f}", cost["fiat_asset_symbol"], cost["is_estimate"], said(cost.get("cost_details"))]
        for cost in facts.get("costs") or ()
    ] or None
    return told


def facts_digest(facts: Mapping[str, Any]) -> str:
    """The digest of a new transaction, hexadecimal."""
    return digest(comparable(facts), FACTS).hex()


def said(document: str | None) -> Any:
    """What a JSON text says. Numbers are marked with their digits: they may be larger than any that can be encoded."""
    return None if document is None else _read(document)


def _number(digits: str) -> dict[str, str]:
    return {"number": digits}


# Made once: json.loads would make one for each document.
_read = json.JSONDecoder(parse_float=_number, parse_int=_number).decode
