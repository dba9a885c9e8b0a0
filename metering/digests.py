"""Digests of what callers stated. They tell a replay from a conflict, and the integrity checks find changed facts by them.

Amounts compare by value, JSON documents by content: spacing and the order of keys are no facts, the digits of numbers are. An empty
`qualifiers` or `metadata` object is the same as none. Every transaction has a digest, with or without an idempotency key; so has every
row added to one later. Rows written along with a transaction (its costs, the first step of its history) are covered by its digest.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from kernel.ledger.fact_digests import digest, digests, encode

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
REPORTED_DOCUMENTS = ("facts", "integration")
# An empty document of these is stored where the caller sends none.
EMPTY: tuple[Any, ...] = (msgspec.Raw(b"{}"), [], "")


def transaction_digest(stated: Mapping[str, Any]) -> bytes:
    """The digest of what is stated of a new transaction, as the API's callers and files send it: some of TRANSACTION_FACTS."""
    return digest(stated, TRANSACTION_FACTS, forms=FORMS)


def transaction_digests(stated: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The digest of each of many new transactions, as transaction_digest makes it."""
    return digests(stated, TRANSACTION_FACTS, forms=FORMS)


def amendment_digest(stated: Mapping[str, Any]) -> bytes:
    """The digest of a call that adds to a transaction: some of AMENDMENT_FACTS."""
    return digest(stated, AMENDMENT_FACTS, forms=FORMS)


def amendment_digests(stated: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The digest of each of many calls that add to transactions, as amendment_digest makes it."""
    return digests(stated, AMENDMENT_FACTS, forms=FORMS)


def with_canonical_documents(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report with its documents as a digest has them, for one whose facts go into two digests: they are parsed once."""
    return {**report, **{name: canonical_document(report.get(name)) for name in REPORTED_DOCUMENTS}}


def _document_unless_empty(document: str) -> Any:
    canonical = canonical_document(document)
    return None if canonical in EMPTY else canonical


def _comparable_report(report: Mapping[str, Any]) -> list[Any]:
    documents = [canonical_document(report.get(name)) for name in REPORTED_DOCUMENTS]
    return [report["source"], report["version"], report.get("call_id"), *documents]


def _comparable_costs(costs: Sequence[Mapping[str, Any]]) -> list[list[Any]] | None:
    return [_comparable_cost(cost) for cost in costs] or None


def _comparable_cost(cost: Mapping[str, Any]) -> list[Any]:
    amount = f"{cost['fiat_amount'].normalize() + 0:f}"
    return [amount, cost["fiat_asset_symbol"], cost["is_estimate"], canonical_document(cost.get("cost_details"))]


def canonical_document(document: str | msgspec.Raw | None) -> Any:
    """A JSON text as it goes into a digest, an object encoded; one that is in that form already stays."""
    if type(document) is msgspec.Raw:
        return document
    parsed = parse_document(document)
    return msgspec.Raw(encode(parsed)) if isinstance(parsed, dict) else parsed


class _Number(msgspec.Struct, gc=False):
    """A number of a document, encoded as an object with its digits. A struct, because the parser makes it without calling Python."""

    number: str


def parse_document(document: str | None) -> Any:
    """A JSON text with every number as its digits: numbers may be larger than any that can be encoded."""
    if document is None:
        return None
    if document.startswith("{"):
        # Without looking for blanks around it, which takes as long as parsing what is reported of a call.
        parsed, end = _decoder.raw_decode(document)
        if end == len(document):
            return parsed
    return _decoder.decode(document)


# Made once: json.loads would make one for each document.
_decoder = json.JSONDecoder(parse_float=_Number, parse_int=_Number)


# The compared value of facts that aren't compared by their own.
FORMS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("trace_id", "agent_id", "transaction_id", "supersedes_id"), str),
    **dict.fromkeys(("request_facts", "payment_data", "facts", "integration", "cost_details"), canonical_document),
    **dict.fromkeys(("qualifiers", "metadata"), _document_unless_empty),
    "response_facts": _comparable_report,
    "costs": _comparable_costs,
}
