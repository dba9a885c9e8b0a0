"""New transactions, one or many in one call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.identifiers import new_id, new_id_text
from kernel.ledger.outcomes import EXISTS, POSTED, Posted, or_raise, posted_or_error
from kernel.ledger.posting import greenlets
from metering import selectors
from metering.choices import Pricing, Status
from metering.digests import TRANSACTION_FACTS, transaction_digest
from metering.selectors import Row
from metering.selectors.payments import current_payment, list_current_payments
from metering.services import finished_calls, new_transaction_calls
from metering.services.facts import ResponseFacts, pricing_of
from metering.services.naming import with_names
from metering.services.settings import out_of_bounds

NO_OBJECT = "{}"
# Looked up once: for Python before 3.12 each look-up of an enum's member is a call.
DENIED = Status.DENIED.value
# The columns that are read of each outcome where a short reply is wanted: not those of its service, agent and trace.
SHORT: dict[str, Any] = {"columns_if_refused": ("id", "first_digest"), "columns_always": ("status",)}
# Columns of a new transaction's row that its posting has under the same names.
NAMES_OF_ROW = ("id", "service_name", "action_name", "resource_name", "qualifiers", "metadata", "customer_id", "actor")
# Facts of a digest, by where the recorded transaction has them.
RECORDED_AS: dict[str, Callable[[Row], Any]] = {
    "trace_id": lambda row: row["trace"]["id"],
    "trace_external_id": lambda row: row["trace"]["external_id"],
    "agent_id": lambda row: row["agent_id"],
    "agent_name": lambda row: row["agent"] and row["agent"]["name"],
    "occurred_at": lambda row: row["occurred_at"],
}


class NewCost(TypedDict, total=False):
    """A cost that is stated together with its transaction."""

    fiat_amount: Required[Decimal]
    # ISO 4217.
    fiat_asset_symbol: Required[str]
    is_estimate: Required[bool]
    # The text of a JSON object.
    cost_details: str | None


class TransactionFacts(TypedDict, total=False):
    """What a caller says of a transaction. It names its service, or has request facts from which the names are derived."""

    service_name: str | None
    action_name: str | None
    resource_name: str | None
    # The text of a JSON object, as the next three.
    request_facts: str | None
    qualifiers: str | None
    metadata: str | None
    payment_data: str | None
    # An unknown trace or agent is made.
    trace_id: UUID | None
    trace_external_id: str | None
    agent_id: UUID | None
    agent_name: str | None
    # For which of the tenant's customers.
    customer_id: str | None
    costs: Sequence[NewCost] | None
    # Default: now.
    occurred_at: datetime | None
    idempotency_key: str | None
    # One of choices.Outcome, of a call that is over, and what was reported of it.
    outcome: str | None
    response_facts: ResponseFacts | None
    # Only of what a file brings in.
    status: str | None
    completed_at: datetime | None


@translate_db_errors
def record_transaction(
    *, tenant_id: UUID, actor: str, request_id: str, checks_occurred_at: bool = False, **facts: Unpack[TransactionFacts]
) -> Posted[Row]:
    """Record one transaction, as record_transactions does it. Raises IdempotencyConflict, InvalidValue, Busy."""
    named = with_names(facts)
    item = _make_posting(named, actor=actor, request_id=request_id, checks_occurred_at=checks_occurred_at, make_id=new_id)
    if finished_calls.is_finished(named):
        greenlets.run_or_retry_in_thread(lambda: _price_report(item, named, tenant_id=tenant_id))
    row = new_transaction_calls.post_new_transaction(item, tenant_id=tenant_id)
    [outcome] = greenlets.run_or_retry_in_thread(lambda: _read_rows([(row, item, named)], tenant_id=tenant_id))
    return or_raise(outcome)


@translate_db_errors
def record_transactions(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transactions: Sequence[TransactionFacts],
    checks_occurred_at: bool = False,
    with_rows: bool = True,
) -> list[Posted[Row] | LedgerError]:
    """Record many in one call; each is recorded or refused independently, in order: Posted or its error.

    The row is the whole transaction. That of a finished call also has `fact_id`, `pricing`, `cost_id` and `superseded` of what was
    reported, where it has them. Without `with_rows` a new row has id, status, fact_id and cost_id only. `checks_occurred_at`: occurred_at
    must lie within the bounds of the tenant's policy, as in calls of the API. Raises Busy.
    """
    named = [with_names(facts) for facts in transactions]
    # As text they are made faster; rows have them as UUIDs.
    make_id = new_id if with_rows else new_id_text
    book = finished_calls.get_price_book(named, tenant_id=tenant_id)
    items = []
    for facts in named:
        item = _make_posting(facts, actor=actor, request_id=request_id, checks_occurred_at=checks_occurred_at, make_id=make_id)
        finished_calls.add_report(item, facts, book=book, make_id=make_id)
        items.append(item)
    rows = new_transaction_calls.post_new_transactions(items, tenant_id=tenant_id, **({} if with_rows else SHORT))
    return _read_rows(list(zip(rows, items, named, strict=True)), tenant_id=tenant_id, with_rows=with_rows)


def _price_report(item: dict[str, Any], facts: Mapping[str, Any], *, tenant_id: UUID) -> None:
    """Add to a posting what was reported of its call. On the event loop it runs twice (greenlets): nothing comes before its query."""
    book = finished_calls.get_price_book([facts], tenant_id=tenant_id)
    finished_calls.add_report(item, facts, book=book, make_id=new_id)


def _make_posting(
    facts: Mapping[str, Any], *, actor: str, request_id: str, checks_occurred_at: bool, make_id: Callable[[], UUID | str]
) -> dict[str, Any]:
    """A new transaction as the SQL type metering_posting has it."""
    transaction_id = make_id()
    # That of a report has the digest of both.
    is_ended = finished_calls.is_finished(facts) and not facts.get("response_facts")
    ending = finished_calls.ending_digest(facts, transaction_id=transaction_id, report={}) if is_ended else None
    return {
        "id": transaction_id,
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
        "facts_digest": transaction_digest(finished_calls.with_status(facts)).hex(),
        "ending_digest": ending and ending.hex(),
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


def _read_rows(
    posted: Sequence[tuple[Any, Row, Mapping[str, Any]]], *, tenant_id: UUID, with_rows: bool = True
) -> list[Posted[Row] | LedgerError]:
    """The outcome of each posting, from its row. Transactions of an earlier call are fetched as they are now, all in two queries."""
    ids = {row.id for row, _, _ in posted if row.outcome == EXISTS}
    # A key of the same array may name a row that is in this call's own transaction: it is in the ledger by now.
    earlier = selectors.get_transactions(tenant_id=tenant_id, ids=ids) if ids else {}
    if any(facts.get("response_facts") for row, _, facts in posted if row.outcome == EXISTS):
        earlier = _with_first_facts(earlier, tenant_id=tenant_id)
    make_row = _row_maker(posted, tenant_id=tenant_id) if with_rows else _make_short_row
    return [_read_row(row, item, facts, earlier=earlier, tenant_id=tenant_id, make_row=make_row) for row, item, facts in posted]


def _row_maker(posted: Sequence[tuple[Any, Row, Mapping[str, Any]]], *, tenant_id: UUID) -> Callable[[Row, Any], Row]:
    """Makes the full rows of new transactions. Only what must be paid is read: its payment, and of a finished call what that made of it."""
    paid = [row for row, _, _ in posted if row.outcome == POSTED and row.requires_payment]
    over = [row.id for row in paid if row.status == Status.COMPLETED]
    payments = list_current_payments(tenant_id=tenant_id, ids=[row.id for row in paid])
    finished = _with_first_facts(selectors.get_transactions(tenant_id=tenant_id, ids=over), tenant_id=tenant_id) if over else {}

    def make_row(item: Row, row: Any) -> Row:
        return finished[row.id] if row.id in finished else _make_row(item, row, tenant_id=tenant_id, payments=payments)

    return make_row


def _with_first_facts(rows: Mapping[UUID, Row], *, tenant_id: UUID) -> dict[UUID, Row]:
    """Transactions with what was reported together with them; one query."""
    facts = selectors.list_first_facts(tenant_id=tenant_id, transaction_ids=list(rows))
    return {key: row | (_report_of(fact, row["costs"]) if (fact := facts.get(key)) else {}) for key, row in rows.items()}


def _report_of(fact: Mapping[str, Any], costs: Iterable[Row]) -> Row:
    """What the reply says of a report: its fact, how the pricing went, its cost, and the costs which that superseded."""
    cost_id = next((cost["id"] for cost in costs if cost["inferred_from_id"] == fact["id"]), None)
    superseded = [cost for cost in costs if cost_id is not None and cost["superseded_by_id"] == cost_id]
    return {"fact_id": fact["id"], "cost_id": cost_id, "pricing": pricing_of(fact), "superseded": superseded or None}


def _read_row(
    row: Any,
    item: Row,
    facts: Mapping[str, Any],
    *,
    earlier: Mapping[UUID, Row],
    tenant_id: UUID,
    make_row: Callable[[Row, Any], Row],
) -> Posted[Row] | LedgerError:
    if row.outcome == POSTED:
        return Posted(make_row(item, row))
    outcome = posted_or_error(
        row,
        facts_digest=bytes.fromhex(item["facts_digest"]),
        names=TRANSACTION_FACTS,
        errors={
            "unknown_agent": lambda _: InvalidValue(field="agent_id", reason="unknown_agent", value=str(facts["agent_id"])),
            "out_of_bounds": lambda _: out_of_bounds(tenant_id=tenant_id),
        },
        is_recorded=lambda first, name: is_recorded(earlier[first.id], name, facts),
    )
    return outcome if isinstance(outcome, LedgerError) else Posted(earlier[row.id], replayed=True)


def _make_short_row(item: Row, row: Any) -> Row:
    """What a short reply says of a new transaction."""
    costs = item["costs"] if row.status != DENIED else ()
    fact_id = item["fact"]["id"] if "fact" in item else None
    cost_id = costs[-1]["id"] if costs and costs[-1].get("inferred_from_id") else None
    return {"id": item["id"], "status": row.status, "fact_id": fact_id, "cost_id": cost_id}


def is_recorded(row: Row, name: str, facts: Mapping[str, Any]) -> bool:
    """Whether the transaction records the value that this call states for a fact. It is a replay then, though the first left it out."""
    if name not in RECORDED_AS or facts.get(name) is None:
        return False
    recorded, stated = RECORDED_AS[name](row), facts[name]
    if isinstance(recorded, datetime):
        # Replies have milliseconds.
        return stated in {recorded, recorded.replace(microsecond=recorded.microsecond // 1000 * 1000)}
    return str(recorded) == str(stated) if isinstance(recorded, UUID) else bool(recorded == stated)


def _make_row(item: Row, row: Any, *, tenant_id: UUID, payments: Mapping[UUID, Row]) -> Row:
    """The full row of a new transaction, without a query. `payments`: of each that must be paid, by its id.

    tests/metering/test_finished_calls.py compares the reply with that of a replay, which is read from the ledger.
    """
    occurred_at = item["occurred_at"] or row.created_at
    trace = {"id": row.trace_reference, "external_id": row.trace_external_id}
    costs = [_make_cost_row(item, cost, row, tenant_id=tenant_id) for cost in _inserted_costs(item["costs"], status=row.status)]
    return {
        **{name: item[name] for name in NAMES_OF_ROW},
        "tenant_id": tenant_id,
        "service_id": row.service_id,
        "status": row.status,
        "outcome": item["call_outcome"] if row.status == Status.COMPLETED else None,
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
        "completed_at": (item["completed_at"] or occurred_at) if row.status == Status.COMPLETED else None,
        "trace": trace,
        "trace_id": trace["id"],
        "agent_id": row.agent_id,
        "agent": _make_agent(row, tenant_id=tenant_id),
        "costs": costs,
        **(_report_of(_first_fact(item["fact"], status=row.status), costs) if "fact" in item else {}),
    }


def _first_fact(fact: Row, *, status: str) -> Row:
    """The fact as metering_insert_parts has written it."""
    return {**fact, "pricing": Pricing.NOT_ASKED.value, "pricing_note": "", "pricing_fields": None} if status == Status.DENIED else fact


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
        "is_active": "superseded_by_id" not in cost,
        "supersedes_id": next(iter(cost.get("supersedes_ids", ())), None),
        "superseded_at": row.created_at if "superseded_by_id" in cost else None,
        "superseded_by_id": cost.get("superseded_by_id"),
        "inferred_from_id": cost.get("inferred_from_id"),
        "payment_id": None,
        "cost_details": cost["details"],
        "occurred_at": item["occurred_at"] or row.created_at,
        "created_at": row.created_at,
        "updated_at": row.created_at,
    }
