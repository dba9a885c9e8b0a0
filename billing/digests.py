"""The facts of a transaction, or of a call on a hold, that its digest is made of: what two calls with the same key must agree in."""

import json
from collections.abc import Mapping
from typing import Any

from kernel.ledger.idempotency import digest

# Eight bytes of a digest for each, in this order. Digests in the database follow it: append new facts, never insert or remove one.
FACTS = ("amount", "agent_id", "description", "currency", "occurred_at", "metadata", "reverses", "reason_code", "reason")
HOLD_FACTS = ("currency", "amount", "expires_at", "reason", "allow_overdraft")
# A capture posts a debit; its digest is the debit's, and what the capture says beside it.
CAPTURE_FACTS = (*FACTS, "hold", "final")
# A release, or an extension.
HOLD_CALL_FACTS = ("hold", "expires_at", "reason")
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


def hold_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of the facts that a hold is placed with. An empty reason and no overdraft are the defaults, so they count as not given."""
    return digest({**facts, "reason": facts["reason"] or None, "allow_overdraft": facts["allow_overdraft"] or None}, HOLD_FACTS)


def capture_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of a capture's facts. A final one is the default."""
    keys = {"hold": str(facts["hold"]), "final": None if facts["final"] else False}
    return facts_digest({**facts, "reason": None}) + digest(keys, CAPTURE_FACTS[len(FACTS) :])


def hold_call_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of the facts of a release, or of an extension."""
    return digest({**facts, "hold": str(facts["hold"]), "reason": facts.get("reason") or None}, HOLD_CALL_FACTS)


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
