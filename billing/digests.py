"""The facts of a transaction that its digest is made of: what two calls with the same key must agree in."""

import json
from collections.abc import Mapping
from typing import Any

from kernel.ledger.idempotency import digest

# Eight bytes of a digest for each, in this order. Digests in the database follow it: append new facts, never insert or remove one.
FACTS = ("amount", "agent_id", "description", "currency", "occurred_at", "metadata", "reverses", "reason_code", "reason")
# One decoder for all calls: json.loads with parse_float would make one for each.
_decode = json.JSONDecoder(parse_float=str).decode


def facts_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of a transaction's facts. `metadata` is JSON text; a fact that is missing or None counts as not given.

    Spacing and key order of metadata don't count. An empty object and an empty reason are the defaults, so they count as not given.
    """
    counted = dict(facts)
    if counted.get("metadata") is not None:
        counted["metadata"] = _decode(counted["metadata"]) or None
    if counted.get("reverses") is not None:
        counted["reverses"] = str(counted["reverses"])
    counted["reason"] = counted.get("reason") or None
    return digest(counted, FACTS)


def recorded_facts(row: Any) -> dict[str, Any]:
    """The facts that a posted row records, as a caller would state them. `row` has the attributes of `billing_outcome`.

    A reversal's amount is stated as a magnitude, and stored with the sign of its original.
    """
    is_reversal = row.reverses_id is not None
    return {
        "amount": abs(row.amount) if is_reversal else row.amount,
        "agent_id": None if is_reversal else row.agent_id,
        "description": row.description,
        "currency": row.currency,
        "occurred_at": row.occurred_at,
        "metadata": row.metadata,
        "reverses": row.reverses_id,
        "reason_code": row.reason_code or None,
        "reason": row.reason,
    }
