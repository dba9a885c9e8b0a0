"""The facts of a transaction, or of a call on a hold, that its digest is made of: what two calls with the same key must agree in."""

import json
from collections.abc import Mapping
from typing import Any

from kernel.ledger.fact_digests import digest

# Eight bytes of a digest for each, in this order. Digests in the database follow it: append new facts, never insert or remove one. No tuple
# is made of another: a fact appended to one would move those of the other.
FACTS = ("amount", "agent_id", "description", "currency", "occurred_at", "metadata", "reverses", "reason_code", "reason")
HOLD_FACTS = ("currency", "amount", "expires_at", "reason", "allow_overdraft")
# A capture has this digest, and the debit that it posts has one of FACTS. The first nine names are those of FACTS as it was first, as a
# capture is compared with a debit that has its key; a capture gives amount, agent_id, description and metadata of them.
CAPTURE_FACTS = (
    "amount",
    "agent_id",
    "description",
    "currency",
    "occurred_at",
    "metadata",
    "reverses",
    "reason_code",
    "reason",
    "hold",
    "final",
)
# A release, or an extension.
HOLD_CALL_FACTS = ("hold", "expires_at", "reason")
# One decoder for all calls: json.loads with parse_float would make one for each.
_decode = json.JSONDecoder(parse_float=str).decode


def facts_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of a transaction's facts. `metadata` is JSON text; a fact that is missing or None counts as not given.

    Spacing and key order of metadata don't count. An empty object and an empty reason are the defaults, so they count as not given.
    """
    counted = {**facts, "metadata": _comparable_metadata(facts)}
    if counted.get("reverses") is not None:
        counted["reverses"] = str(counted["reverses"])
    counted["reason"] = counted.get("reason") or None
    return digest(counted, FACTS)


def hold_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of the facts that a hold is placed with. An empty reason and no overdraft are the defaults, so they count as not given."""
    return digest({**facts, "reason": facts["reason"] or None, "allow_overdraft": facts["allow_overdraft"] or None}, HOLD_FACTS)


def capture_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of a capture's facts. A final one is the default, so it counts as not given."""
    counted = {name: facts.get(name) for name in ("amount", "agent_id", "description")}
    counted |= {"metadata": _comparable_metadata(facts), "hold": str(facts["hold"]), "final": None if facts["final"] else False}
    return digest(counted, CAPTURE_FACTS)


def _comparable_metadata(facts: Mapping[str, Any]) -> Any:
    metadata = facts.get("metadata")
    return None if metadata is None else _decode(metadata) or None


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
