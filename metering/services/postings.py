"""What `metering_post` takes: postings made of facts. What it returns, new_transaction_rows.py reads."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from kernel.ledger.identifiers import new_id_text

NO_OBJECT = "{}"


def make_posting(
    facts: Mapping[str, Any],
    *,
    facts_digest: bytes,
    actor: str,
    request_id: str,
    checks_occurred_at: bool,
    make_id: Callable[[], UUID | str],
) -> dict[str, Any]:
    """A new transaction as the SQL type metering_posting has it; of a finished call finished_calls.add_endings adds what ended it."""
    return {
        "id": make_id(),
        "actor": actor,
        "request_id": request_id,
        "service_name": facts["service_name"],
        "action_name": facts["action_name"],
        "resource_name": facts["resource_name"],
        "qualifiers": facts.get("qualifiers") or NO_OBJECT,
        "metadata": facts.get("metadata"),
        "request_facts": facts.get("request_facts"),
        "payment_data": facts.get("payment_data"),
        "customer_id": facts.get("customer_id"),
        "trace_reference": facts.get("trace_id"),
        "trace_external_id": facts.get("trace_external_id"),
        "agent_id": facts.get("agent_id"),
        "agent_name": facts.get("agent_name"),
        "new_trace_id": new_id_text(),
        "change_id": new_id_text(),
        "status": facts.get("status"),
        "call_outcome": facts.get("outcome"),
        "occurred_at": facts.get("occurred_at"),
        "checks_occurred_at": (checks_occurred_at and facts.get("occurred_at") is not None) or None,
        "completed_at": facts.get("completed_at"),
        "idempotency_key": facts.get("idempotency_key"),
        "facts_digest": facts_digest.hex(),
        "costs": [_make_cost(cost, make_id=make_id) for cost in facts.get("costs") or ()],
    }


def _make_cost(cost: Mapping[str, Any], *, make_id: Callable[[], UUID | str]) -> dict[str, Any]:
    return {
        "id": make_id(),
        "amount": f"{cost['fiat_amount']:f}",
        "currency": cost["fiat_asset_symbol"],
        "is_estimate": cost["is_estimate"],
        "details": cost.get("cost_details"),
    }
