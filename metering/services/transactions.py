"""Recording what was done: new transactions, one or many in one call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import IdempotencyConflict, InvalidValue, LedgerError
from kernel.ledger.idempotency import differing
from kernel.ledger.identifiers import new_id
from kernel.ledger.posting import greenlets
from metering import selectors
from metering.selectors import Row
from metering.services.digests import FACTS, facts_digest
from metering.services.naming import named

RACES = frozenset({"metering_transaction_idempotency_key_key", "metering_trace_external_id_key"})
NO_OBJECT = "{}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one new transaction: its full row (`replayed` if an earlier call with the key made it), or why it is refused."""

    row: Row | None = None
    error: LedgerError | None = None
    replayed: bool = False


@translate_db_errors
def record_transaction(*, tenant_id: UUID, actor: str, request_id: str, idempotency_key: str | None = None, **facts: Any) -> Recorded:
    """Record one transaction; the facts are those of `record_transactions`. Raises IdempotencyConflict, InvalidValue, Busy."""
    given = named(facts | {"idempotency_key": idempotency_key})
    posted = _posting(given, tenant_id=tenant_id, actor=actor, request_id=request_id)
    # Nothing is locked that another posting could wait for, so each is an account of its own.
    outcome = posting.post_one("metering_post", posted, account=posted["id"], races=RACES)
    [recorded] = greenlets.run_in_thread(lambda: _with_replays([_recorded(posted, outcome, given)], tenant_id=tenant_id))
    if recorded.error is not None:
        raise recorded.error
    return recorded


@translate_db_errors
def record_transactions(*, tenant_id: UUID, actor: str, request_id: str, transactions: Sequence[Mapping[str, Any]]) -> list[Recorded]:
    """Record many at once; each stands for itself, in order.

    Needed of each: service_name or request_facts. May be given: action_name, resource_name (else derived from request_facts), qualifiers,
    metadata, payment_data (JSON texts, as is request_facts), trace_id, trace_external_id, agent_id, agent_name, idempotency_key,
    occurred_at, costs (fiat_amount, fiat_asset_symbol, is_estimate, cost_details), and for what is over already status and outcome.
    Raises Busy.
    """
    transactions = [named(facts) for facts in transactions]
    postings = [_posting(facts, tenant_id=tenant_id, actor=actor, request_id=request_id) for facts in transactions]
    outcomes = posting.post("metering_post", postings, races=RACES)
    recorded = [_recorded(posted, outcome, facts) for posted, outcome, facts in zip(postings, outcomes, transactions, strict=True)]
    return _with_replays(recorded, tenant_id=tenant_id)


def _posting(facts: Mapping[str, Any], *, tenant_id: UUID, actor: str, request_id: str) -> dict[str, Any]:
    key = facts.get("idempotency_key")
    moments = {name: facts.get(name) for name in ("occurred_at", "completed_at")}
    return {
        "id": new_id(),
        "tenant_id": tenant_id,
        "actor": actor,
        "request_id": request_id,
        "service_name": facts["service_name"],
        "action_name": facts["action_name"],
        "resource_name": facts["resource_name"],
        "qualifiers": facts.get("qualifiers") or NO_OBJECT,
        "metadata": facts.get("metadata"),
        "request_facts": facts.get("request_facts"),
        "payment_data": facts.get("payment_data"),
        "trace_reference": facts.get("trace_id"),
        "trace_external_id": facts.get("trace_external_id"),
        "agent_id": facts.get("agent_id"),
        "agent_name": facts.get("agent_name"),
        "new_service_id": new_id(),
        "new_agent_id": new_id(),
        "new_trace_id": new_id(),
        "change_id": new_id(),
        "status": facts.get("status"),
        "outcome": facts.get("outcome"),
        "idempotency_key": key,
        "digest": None if key is None else facts_digest(facts),
        "costs": [_cost(cost) for cost in facts.get("costs") or ()],
        **moments,
    }


def _cost(cost: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "amount": f"{cost['fiat_amount']:f}",
        "currency": cost["fiat_asset_symbol"],
        "is_estimate": cost["is_estimate"],
        "details": cost.get("cost_details"),
    }


def _recorded(posted: Row, outcome: Any, facts: Mapping[str, Any]) -> Recorded:
    if outcome.outcome == "posted":
        return Recorded(row=_row(posted, outcome))
    if outcome.outcome == "unknown_agent":
        return Recorded(error=InvalidValue(field="agent_id", reason="unknown_agent", value=str(facts["agent_id"])))
    names = differing(FACTS, bytes(outcome.first_digest), bytes.fromhex(posted["digest"]))
    if names:
        return Recorded(error=IdempotencyConflict(first_id=outcome.id, fields=names, key=facts["idempotency_key"]))
    return Recorded(row={"id": outcome.id}, replayed=True)


def _row(posted: Row, outcome: Any) -> Row:
    """The full row of a new transaction, without another look at the database."""
    happened_at = posted["occurred_at"] or outcome.moment
    trace = {"id": outcome.trace_reference, "external_id": outcome.trace_external_id}
    return {
        **{name: posted[name] for name in ("id", "tenant_id", "service_name", "action_name", "resource_name", "qualifiers", "metadata")},
        "actor": posted["actor"],
        "service_id": outcome.service_id,
        "status": outcome.status,
        "outcome": posted["outcome"],
        "decline_reason": outcome.decline_reason,
        "requires_payment": False,
        "occurred_at": happened_at,
        "created_at": outcome.moment,
        "updated_at": outcome.moment,
        "authorized_at": happened_at if outcome.status in {"authorized", "completed"} else None,
        "denied_at": happened_at if outcome.status == "denied" else None,
        "cancelled_at": happened_at if outcome.status == "cancelled" else None,
        "completed_at": (posted["completed_at"] or happened_at) if outcome.status == "completed" else None,
        "trace": trace,
        "trace_id": trace["id"],
        "agent_id": outcome.agent_id,
        "agent": _agent(posted, outcome),
        "costs": [_cost_row(posted, cost, outcome) for cost in posted["costs"]],
    }


def _agent(posted: Row, outcome: Any) -> Row | None:
    if outcome.agent_id is None:
        return None
    return {"id": outcome.agent_id, "tenant_id": posted["tenant_id"]} | {
        name: getattr(outcome, f"agent_{name}") for name in selectors.AGENT[2:]
    }


def _cost_row(posted: Row, cost: Row, outcome: Any) -> Row:
    return {
        "id": cost["id"],
        "transaction_id": posted["id"],
        "tenant_id": posted["tenant_id"],
        "fiat_amount": Decimal(cost["amount"]),
        "fiat_asset_symbol": cost["currency"],
        "is_estimate": cost["is_estimate"],
        "is_active": True,
        "supersedes_id": None,
        "superseded_at": None,
        "inferred_from_id": None,
        "cost_details": cost["details"],
        "created_at": outcome.moment,
        "updated_at": outcome.moment,
    }


def _with_replays(recorded: Iterable[Recorded], *, tenant_id: UUID) -> list[Recorded]:
    """Replays tell how their transaction stands now: two queries for all of them."""
    recorded = list(recorded)
    ids = [one.row["id"] for one in recorded if one.replayed and one.row]
    if not ids:
        return recorded
    rows = selectors.get_transactions(tenant_id=tenant_id, ids=ids)
    return [Recorded(row=rows[one.row["id"]], replayed=True) if one.replayed and one.row else one for one in recorded]
