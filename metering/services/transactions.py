"""New transactions, one or many in one call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.identifiers import new_id
from kernel.ledger.outcomes import posted_or_error
from kernel.ledger.posting import greenlets
from metering import selectors
from metering.choices import Status
from metering.digests import TRANSACTION_FACTS, transaction_digest
from metering.selectors import Row
from metering.services import posts
from metering.services.naming import with_names

NO_OBJECT = "{}"
# Of a new transaction's row, what the posting has under the same names.
NAMES_OF_ROW = ("id", "service_name", "action_name", "resource_name", "qualifiers", "metadata", "customer_id", "actor")
# Facts of a digest, by where the recorded transaction has them.
RECORDED_AS: dict[str, Callable[[Row], Any]] = {
    "trace_id": lambda row: row["trace"]["id"],
    "trace_external_id": lambda row: row["trace"]["external_id"],
    "agent_id": lambda row: row["agent_id"],
    "agent_name": lambda row: row["agent"] and row["agent"]["name"],
    "occurred_at": lambda row: row["occurred_at"],
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome of one new transaction: its full row (`replayed` if an earlier call with the key made it), or why it is refused."""

    row: Row | None = None
    error: LedgerError | None = None
    replayed: bool = False


@translate_db_errors
def record_transaction(*, tenant_id: UUID, actor: str, request_id: str, idempotency_key: str | None = None, **facts: Any) -> Recorded:
    """Record one transaction; the facts are those of `record_transactions`. Raises IdempotencyConflict, InvalidValue, Busy."""
    named = with_names(facts | {"idempotency_key": idempotency_key})
    item = _make_posting(named, actor=actor, request_id=request_id)
    row = posts.post_one(item, tenant_id=tenant_id)
    [recorded] = greenlets.run_in_thread(lambda: _read_rows([(row, item, named)], tenant_id=tenant_id))
    if recorded.error is not None:
        raise recorded.error
    return recorded


@translate_db_errors
def record_transactions(*, tenant_id: UUID, actor: str, request_id: str, transactions: Sequence[Mapping[str, Any]]) -> list[Recorded]:
    """Record many in one call; each is recorded or refused independently, in order.

    Needed of each: service_name or request_facts. Optional: action_name, resource_name (else derived from request_facts), qualifiers,
    metadata, payment_data (JSON texts, as is request_facts), trace_id, trace_external_id, agent_id, agent_name, customer_id,
    idempotency_key, occurred_at, costs (fiat_amount, fiat_asset_symbol, is_estimate, cost_details), and for what is over already status
    and outcome. Raises Busy.
    """
    named = [with_names(facts) for facts in transactions]
    items = [_make_posting(facts, actor=actor, request_id=request_id) for facts in named]
    rows = posts.post(items, tenant_id=tenant_id)
    return _read_rows(list(zip(rows, items, named, strict=True)), tenant_id=tenant_id)


def _make_posting(facts: Mapping[str, Any], *, actor: str, request_id: str) -> dict[str, Any]:
    """A new transaction as the SQL type metering_posting has it."""
    return {
        "id": new_id(),
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
        "new_service_id": new_id(),
        "new_agent_id": None if facts.get("agent_name") is None else new_id(),
        "new_trace_id": new_id(),
        "change_id": new_id(),
        "status": facts.get("status"),
        "outcome": facts.get("outcome"),
        "occurred_at": facts.get("occurred_at"),
        "completed_at": facts.get("completed_at"),
        "idempotency_key": facts.get("idempotency_key"),
        "digest": transaction_digest(facts).hex(),
        "costs": [_make_cost(cost) for cost in facts.get("costs") or ()],
    }


def _make_cost(cost: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "amount": f"{cost['fiat_amount']:f}",
        "currency": cost["fiat_asset_symbol"],
        "is_estimate": cost["is_estimate"],
        "details": cost.get("cost_details"),
    }


def _read_rows(posted: Sequence[tuple[Any, Row, Mapping[str, Any]]], *, tenant_id: UUID) -> list[Recorded]:
    """The outcome of each posting, from its row. Transactions of an earlier call are fetched as they are now, all in two queries."""
    ids = {row.id for row, _, _ in posted if row.outcome == "exists"}
    # A key of the same array may name a row that is in this call's own transaction: it is in the ledger by now.
    earlier = selectors.get_transactions(tenant_id=tenant_id, ids=ids) if ids else {}
    paid = [row.id for row, _, _ in posted if row.outcome == "posted" and row.requires_payment]
    payments = selectors.list_current_payments(tenant_id=tenant_id, ids=paid)
    return [_read_row(row, item, facts, earlier=earlier.get(row.id), tenant_id=tenant_id, payments=payments) for row, item, facts in posted]


def _read_row(
    row: Any, item: Row, facts: Mapping[str, Any], *, earlier: Row | None, tenant_id: UUID, payments: Mapping[UUID, Row]
) -> Recorded:
    outcome = posted_or_error(
        row,
        facts_digest=bytes.fromhex(item["digest"]),
        names=TRANSACTION_FACTS,
        errors={"unknown_agent": lambda _: InvalidValue(field="agent_id", reason="unknown_agent", value=str(facts["agent_id"]))},
        is_recorded=lambda _, name: earlier is not None and is_recorded(earlier, name, facts),
    )
    if isinstance(outcome, LedgerError):
        return Recorded(error=outcome)
    if outcome.replayed:
        return Recorded(row=earlier, replayed=True)
    return Recorded(row=_make_row(item, row, tenant_id=tenant_id, payments=payments))


def is_recorded(row: Row, name: str, facts: Mapping[str, Any]) -> bool:
    """Whether the transaction records the value that this call states for a fact. It is a replay then, though the first left it out."""
    if name not in RECORDED_AS or facts.get(name) is None:
        return False
    recorded, stated = RECORDED_AS[name](row), facts[name]
    return str(recorded) == str(stated) if isinstance(recorded, UUID) else bool(recorded == stated)


def _make_row(item: Row, row: Any, *, tenant_id: UUID, payments: Mapping[UUID, Row]) -> Row:
    """The full row of a new transaction, without a query. `payments`: of each that must be paid, by its id."""
    happened_at = item["occurred_at"] or row.created_at
    trace = {"id": row.trace_reference, "external_id": row.trace_external_id}
    return {
        **{name: item[name] for name in NAMES_OF_ROW},
        "tenant_id": tenant_id,
        "service_id": row.service_id,
        "status": row.status,
        "outcome": item["outcome"],
        "decline_reason": row.decline_reason,
        "requires_payment": row.requires_payment,
        **selectors.current_payment(payments.get(row.id)),
        "occurred_at": happened_at,
        "created_at": row.created_at,
        "updated_at": row.created_at,
        "preparing_at": happened_at if row.status == Status.PREPARING else None,
        "authorized_at": happened_at if row.status in {Status.AUTHORIZED, Status.COMPLETED} else None,
        "denied_at": happened_at if row.status == Status.DENIED else None,
        "cancelled_at": happened_at if row.status == Status.CANCELLED else None,
        "completed_at": (item["completed_at"] or happened_at) if row.status == Status.COMPLETED else None,
        "trace": trace,
        "trace_id": trace["id"],
        "agent_id": row.agent_id,
        "agent": _make_agent(row, tenant_id=tenant_id),
        "costs": [_make_cost_row(item, cost, row, tenant_id=tenant_id) for cost in _inserted_costs(item["costs"], status=row.status)],
    }


def _inserted_costs(costs: Iterable[Row], *, status: str) -> list[Row]:
    """The costs that became rows, as the SQL function metering_costs_to_insert decides."""
    if status == Status.DENIED:
        return []
    return [cost for cost in costs if status != Status.CANCELLED or not cost["is_estimate"]]


def _make_agent(row: Any, *, tenant_id: UUID) -> Row | None:
    if row.agent_id is None:
        return None
    return {"id": row.agent_id, "tenant_id": tenant_id} | {name: getattr(row, f"agent_{name}") for name in selectors.AGENT[2:]}


def _make_cost_row(item: Row, cost: Row, row: Any, *, tenant_id: UUID) -> Row:
    return {
        "id": cost["id"],
        "transaction_id": item["id"],
        "tenant_id": tenant_id,
        "fiat_amount": Decimal(cost["amount"]),
        "fiat_asset_symbol": cost["currency"],
        "is_estimate": cost["is_estimate"],
        "is_active": True,
        "supersedes_id": None,
        "superseded_at": None,
        "superseded_by_id": None,
        "inferred_from_id": None,
        "cost_details": cost["details"],
        "created_at": row.created_at,
        "updated_at": row.created_at,
    }
