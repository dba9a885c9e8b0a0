"""Digests of what callers stated. They tell a replay from a conflict, and the integrity checks find changed facts by them.

Amounts compare by value, JSON documents by content: spacing and the order of keys are no facts, the digits of numbers are. An empty
`qualifiers` or `metadata` object is the same as none. Every transaction has a digest, with or without an idempotency key; so has every
row added to one later. Rows written along with a transaction (its costs, the first step of its history) are covered by its digest.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from kernel.ledger.idempotency import digest, encode

# What the digest of a new transaction covers, in its order. New names are appended. The member `facts` of a report, published under this
# name, is the usage that a provider stated; it is one of the values that a digest covers.
TRANSACTION_FACTS = (
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
    "customer_id",
    "response_facts",
)
# The same for what is added to a transaction: a call that moves, reports or adds a cost.
AMENDMENT_FACTS = (
    "call",
    "transaction_id",
    "outcome",
    "reason",
    "source",
    "version",
    "phase",
    "facts",
    "integration",
    "fiat_amount",
    "fiat_asset_symbol",
    "is_estimate",
    "supersedes_id",
    "cost_details",
    "call_id",
    "occurred_at",
)
DOCUMENTS = frozenset({"qualifiers", "metadata", "request_facts", "payment_data", "facts", "integration", "cost_details"})
# Documents that are stored as {} where the caller sends none.
EMPTY_IS_ABSENT = ("qualifiers", "metadata")
EMPTY: tuple[Any, ...] = (msgspec.Raw(b"{}"), [], "")


def transaction_digest(stated: Mapping[str, Any]) -> bytes:
    """The digest of what is stated of a new transaction, as the API's callers and files send it: some of TRANSACTION_FACTS."""
    return digest(_comparable(stated), TRANSACTION_FACTS)


def amendment_digest(stated: Mapping[str, Any]) -> bytes:
    """The digest of a call that adds to a transaction: some of AMENDMENT_FACTS."""
    return digest(_comparable(stated), AMENDMENT_FACTS)


def _comparable(stated: Mapping[str, Any]) -> dict[str, Any]:
    comparable: dict[str, Any] = {}
    for name, value in stated.items():
        if value is None:
            continue
        if name in DOCUMENTS:
            document = canonical_document(value)
            comparable[name] = None if name in EMPTY_IS_ABSENT and document in EMPTY else document
        else:
            comparable[name] = str(value) if isinstance(value, UUID) else value
    if (report := comparable.get("response_facts")) is not None:
        documents = [canonical_document(report.get(name)) for name in ("facts", "integration")]
        comparable["response_facts"] = [report["source"], report["version"], report.get("call_id"), *documents]
    if "costs" in comparable:
        comparable["costs"] = [_comparable_cost(cost) for cost in comparable["costs"]] or None
    return comparable


def _comparable_cost(cost: Mapping[str, Any]) -> list[Any]:
    amount = f"{cost['fiat_amount'].normalize() + 0:f}"
    return [amount, cost["fiat_asset_symbol"], cost["is_estimate"], canonical_document(cost.get("cost_details"))]


@lru_cache(maxsize=8)
def canonical_document(document: str | None) -> Any:
    """A JSON text as it goes into a digest, an object encoded. Remembered, because what was reported of a finished call goes into two."""
    parsed = parse_document(document)
    return msgspec.Raw(encode(parsed)) if isinstance(parsed, dict) else parsed


def parse_document(document: str | None) -> Any:
    """A JSON text with every number as its digits: numbers may be larger than any that can be encoded."""
    return None if document is None else _decode(document)


def _number(digits: str) -> dict[str, str]:
    return {"number": digits}


# Made once: json.loads would make one for each document.
_decode = json.JSONDecoder(parse_float=_number, parse_int=_number).decode
