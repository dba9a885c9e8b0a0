"""What is returned of new transactions: their rows, made of their postings without a query, and the errors of those that were refused."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from kernel.ledger.errors import LedgerError
from kernel.ledger.outcomes import EXISTS, POSTED, Posted, posted_or_error
from metering import selectors
from metering.choices import Pricing, Status
from metering.digests import TRANSACTION_FACTS
from metering.selectors import RowDict
from metering.selectors.payments import current_payment, list_current_payments
from metering.services.facts import pricing_of
from metering.services.posting_errors import posting_errors

# Looked up once: for Python before 3.12 each look-up of an enum's member is a call.
DENIED = Status.DENIED.value
# Columns of a new transaction's row that its posting has under the same names.
NAMES_OF_ROW = ("id", "service_name", "action_name", "resource_name", "qualifiers", "metadata", "customer_id", "actor")
# Facts of a digest, by where the recorded transaction has them.
RECORDED_AS: dict[str, Callable[[RowDict], Any]] = {
    "trace_id": lambda row: row["trace"]["id"],
    "trace_external_id": lambda row: row["trace"]["external_id"],
    "agent_id": lambda row: row["agent_id"],
    "agent_name": lambda row: row["agent"] and row["agent"]["name"],
    "occurred_at": lambda row: row["occurred_at"],
}


class AnsweredPosting(NamedTuple):
    """A posting with its answer. `row`: what metering_post returned for it, a refusal too; `facts`: what its caller stated."""

    row: Any
    posting_item: RowDict
    facts: Mapping[str, Any]


def outcomes_of(answers: Sequence[AnsweredPosting], *, tenant_id: UUID, with_rows: bool = True) -> list[Posted[RowDict] | LedgerError]:
    """The outcome of each posting: Posted or its error. Transactions of an earlier call are fetched as they are now, all in two queries."""
    used = [answer for answer in answers if answer.row.outcome == EXISTS]
    ids = {answer.row.id for answer in used}
    # A key of the same array may name a row that is in this call's own transaction: it is in the ledger by now.
    earlier = selectors.get_transactions(tenant_id=tenant_id, ids=ids) if ids else {}
    if any(answer.facts.get("response_facts") for answer in used):
        earlier = _with_first_facts(earlier, tenant_id=tenant_id)
    row_of_new = _full_row_maker(answers, tenant_id=tenant_id) if with_rows else _short_row
    return [_outcome(answer, earlier=earlier, tenant_id=tenant_id, row_of_new=row_of_new) for answer in answers]


def _full_row_maker(answers: Sequence[AnsweredPosting], *, tenant_id: UUID) -> Callable[[RowDict, Any], RowDict]:
    """Makes the full rows of new transactions. What must be paid is read from the ledger: the payment, and finished calls whole, because
    the payment changed their costs."""
    paid = [answer.row for answer in answers if answer.row.outcome == POSTED and answer.row.requires_payment]
    over = [row.id for row in paid if row.status == Status.COMPLETED]
    payments = list_current_payments(tenant_id=tenant_id, ids=[row.id for row in paid])
    finished = _with_first_facts(selectors.get_transactions(tenant_id=tenant_id, ids=over), tenant_id=tenant_id) if over else {}

    def row_of_new(posting_item: RowDict, row: Any) -> RowDict:
        return finished[row.id] if row.id in finished else _full_row(posting_item, row, tenant_id=tenant_id, payments=payments)

    return row_of_new


def _with_first_facts(rows: Mapping[UUID, RowDict], *, tenant_id: UUID) -> dict[UUID, RowDict]:
    """Transactions with what was reported together with them; one query."""
    facts = selectors.list_first_facts(tenant_id=tenant_id, transaction_ids=list(rows))
    return {key: row | (_report_of(fact, row["costs"]) if (fact := facts.get(key)) else {}) for key, row in rows.items()}


def _report_of(fact: Mapping[str, Any], costs: Iterable[RowDict]) -> RowDict:
    """What the reply says of a report: its fact, how the pricing went, its cost, and the costs that this cost superseded."""
    cost_id = next((cost["id"] for cost in costs if cost["inferred_from_id"] == fact["id"]), None)
    superseded = [cost for cost in costs if cost_id is not None and cost["superseded_by_id"] == cost_id]
    return {"fact_id": fact["id"], "cost_id": cost_id, "pricing": pricing_of(fact), "superseded": superseded or None}


def _outcome(
    answer: AnsweredPosting, *, earlier: Mapping[UUID, RowDict], tenant_id: UUID, row_of_new: Callable[[RowDict, Any], RowDict]
) -> Posted[RowDict] | LedgerError:
    row, posting_item, facts = answer
    if row.outcome == POSTED:
        return Posted(row_of_new(posting_item, row))
    outcome = posted_or_error(
        row,
        facts_digest=bytes.fromhex(posting_item["facts_digest"]),
        names=TRANSACTION_FACTS,
        errors=posting_errors(facts, tenant_id=tenant_id),
        is_recorded=lambda first, name: _is_recorded(earlier[first.id], name, facts),
    )
    return outcome if isinstance(outcome, LedgerError) else Posted(earlier[row.id], replayed=True)


def _short_row(posting_item: RowDict, row: Any) -> RowDict:
    """What a short reply says of a new transaction."""
    costs = posting_item["costs"] if row.status != DENIED else ()
    fact_id = posting_item["fact"]["id"] if "fact" in posting_item else None
    cost_id = costs[-1]["id"] if costs and costs[-1].get("inferred_from_id") else None
    return {"id": posting_item["id"], "status": row.status, "fact_id": fact_id, "cost_id": cost_id}


def _is_recorded(row: RowDict, name: str, facts: Mapping[str, Any]) -> bool:
    """Whether the transaction records the value that this call states for a fact. The call is a replay then, even if the first call left
    the fact out."""
    if name not in RECORDED_AS or facts.get(name) is None:
        return False
    recorded, stated = RECORDED_AS[name](row), facts[name]
    if isinstance(recorded, datetime):
        # Replies have milliseconds.
        return stated in {recorded, recorded.replace(microsecond=recorded.microsecond // 1000 * 1000)}
    return str(recorded) == str(stated) if isinstance(recorded, UUID) else bool(recorded == stated)


def _full_row(posting_item: RowDict, row: Any, *, tenant_id: UUID, payments: Mapping[UUID, RowDict]) -> RowDict:
    """The full row of a new transaction, without a query. `payments`: of each that must be paid, by its id.

    tests/metering/test_finished_calls.py compares the reply with that of a replay, which is read from the ledger.
    """
    occurred_at = posting_item["occurred_at"] or row.created_at
    trace = {"id": row.trace_reference, "external_id": row.trace_external_id}
    costs = [_cost_row(posting_item, cost, row, tenant_id=tenant_id) for cost in _inserted_costs(posting_item["costs"], status=row.status)]
    return {
        **{name: posting_item[name] for name in NAMES_OF_ROW},
        "tenant_id": tenant_id,
        "service_id": row.service_id,
        "status": row.status,
        "outcome": posting_item["call_outcome"] if row.status == Status.COMPLETED else None,
        "decline_reason": row.decline_reason,
        "requires_payment": row.requires_payment,
        **current_payment(payments.get(row.id)),
        "occurred_at": occurred_at,
        "created_at": row.created_at,
        "updated_at": row.created_at,
        "preparing_at": row.status_occurred_at if row.status == Status.PREPARING else None,
        "authorized_at": row.status_occurred_at if row.status in {Status.AUTHORIZED, Status.COMPLETED} else None,
        "denied_at": row.status_occurred_at if row.status == Status.DENIED else None,
        "cancelled_at": row.status_occurred_at if row.status == Status.CANCELLED else None,
        "completed_at": (posting_item["completed_at"] or occurred_at) if row.status == Status.COMPLETED else None,
        "trace": trace,
        "trace_id": trace["id"],
        "agent_id": row.agent_id,
        "agent": _agent(row, tenant_id=tenant_id),
        "costs": costs,
        **(_report_of(_first_fact(posting_item["fact"], status=row.status), costs) if "fact" in posting_item else {}),
    }


def _first_fact(fact: RowDict, *, status: str) -> RowDict:
    """The fact as metering_insert_parts has written it."""
    return {**fact, "pricing": Pricing.NOT_ASKED.value, "pricing_note": "", "pricing_fields": None} if status == Status.DENIED else fact


def _inserted_costs(costs: Iterable[RowDict], *, status: str) -> list[RowDict]:
    """The costs that became rows, as the SQL function metering_costs_to_insert decides."""
    if status == Status.DENIED:
        return []
    return [cost for cost in costs if status != Status.CANCELLED or not cost["is_estimate"]]


def _agent(row: Any, *, tenant_id: UUID) -> RowDict | None:
    if row.agent_id is None:
        return None
    return {"id": row.agent_id, "tenant_id": tenant_id} | {name: getattr(row, f"agent_{name}") for name in selectors.AGENT[2:]}


def _cost_row(posting_item: RowDict, cost: RowDict, row: Any, *, tenant_id: UUID) -> RowDict:
    return {
        "id": cost["id"],
        "transaction_id": posting_item["id"],
        "tenant_id": tenant_id,
        "fiat_amount": Decimal(cost["amount"]),
        "fiat_asset_symbol": cost["currency"],
        "is_estimate": cost["is_estimate"],
        "is_active": "superseded_by_id" not in cost,
        "supersedes_id": next(iter(cost.get("supersedes_ids", ())), None),
        "superseded_at": row.created_at if "superseded_by_id" in cost else None,
        "superseded_by_id": cost.get("superseded_by_id"),
        "inferred_from_id": cost.get("inferred_from_id"),
        "payment_id": None,
        "cost_details": cost["details"],
        "occurred_at": posting_item["occurred_at"] or row.created_at,
        "created_at": row.created_at,
        "updated_at": row.created_at,
    }
