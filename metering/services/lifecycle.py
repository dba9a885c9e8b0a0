"""Moves between statuses. The SQL function metering_may_move says which are allowed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from kernel.ledger.errors import LedgerError
from kernel.ledger.outcomes import Posted, or_raise
from metering import selectors
from metering.choices import FactPhase, Outcome, Status
from metering.selectors import RowDict
from metering.services.amendments import amend, amend_one, make_amendment
from metering.services.facts import ResponseFacts, additions, price_reports
from metering.services.posting_rows import AdditionRow

BATCH = 500


class CompletionFacts(TypedDict, total=False):
    """What a caller says of a transaction that is over."""

    transaction_id: Required[UUID]
    # One of choices.Outcome.
    outcome: Required[str]
    # Where a price is known for them they become a cost, which supersedes the estimates.
    response_facts: ResponseFacts | None
    # Default: now.
    occurred_at: datetime | None
    idempotency_key: str | None


def complete_transaction(*, tenant_id: UUID, actor: str, request_id: str, **facts: Unpack[CompletionFacts]) -> Posted[AdditionRow]:
    """Complete an authorized transaction. Raises NotFound, InvalidValue, WrongStatus, IdempotencyConflict, Busy."""
    [outcome] = complete_transactions(tenant_id=tenant_id, actor=actor, request_id=request_id, completions=[facts])
    return or_raise(outcome)


def complete_transactions(
    *, tenant_id: UUID, actor: str, request_id: str, completions: Sequence[CompletionFacts], with_rows: bool = True
) -> list[Posted[AdditionRow] | LedgerError]:
    """Complete many authorized transactions in one call; each is completed or refused independently, in order: Posted or its error.

    `with_rows`: each row has the whole `transaction` as it is now and the costs that were `superseded`, by two more queries for all.
    Raises Busy.
    """
    reports = [_report_of(completion) for completion in completions]
    reported = [(completion["transaction_id"], report) for completion, report in zip(completions, reports, strict=True) if report]
    made = iter(price_reports(reported, tenant_id=tenant_id))
    items = []
    for completion, report in zip(completions, reports, strict=True):
        fact, cost = next(made) if report else (None, None)
        items.append(
            make_amendment(
                actor=actor,
                request_id=request_id,
                transaction_id=completion["transaction_id"],
                stated={"call": "complete", "outcome": completion["outcome"], **(report or {})},
                move={"to_status": Status.COMPLETED.value, "call_outcome": completion["outcome"]},
                fact=fact,
                cost=cost,
                idempotency_key=completion.get("idempotency_key"),
                occurred_at=completion.get("occurred_at"),
            )
        )
    outcomes = additions(amend(items, tenant_id=tenant_id), items, tenant_id=tenant_id, with_rows=False)
    return _with_transactions(outcomes, tenant_id=tenant_id) if with_rows else outcomes


def _report_of(completion: CompletionFacts) -> dict[str, Any] | None:
    """The response facts of a completion as a report."""
    response = completion.get("response_facts")
    if not response:
        return None
    phase = FactPhase.RESPONSE if completion["outcome"] == Outcome.SUCCESS else FactPhase.ERROR
    return {"phase": phase.value, "integration": None, **response}


def _with_transactions(
    outcomes: Sequence[Posted[AdditionRow] | LedgerError], *, tenant_id: UUID
) -> list[Posted[AdditionRow] | LedgerError]:
    """Outcomes with the whole `transaction` and the costs that were superseded in their rows; two queries for all."""
    ids = {outcome.row["id"] for outcome in outcomes if isinstance(outcome, Posted)}
    rows = selectors.get_transactions(tenant_id=tenant_id, ids=ids) if ids else {}
    return [
        outcome if isinstance(outcome, LedgerError) else Posted(_with_transaction(outcome.row, rows), outcome.replayed)
        for outcome in outcomes
    ]


def _with_transaction(row: AdditionRow, transactions: Mapping[UUID, RowDict]) -> AdditionRow:
    transaction, cost_id = transactions[row["id"]], row["cost_id"]
    superseded = [cost for cost in transaction["costs"] if cost_id is not None and cost["superseded_by_id"] == cost_id]
    return {**row, "transaction": transaction, "superseded": superseded or None}


class MoveArguments(TypedDict):
    """What every move takes: who moves which transaction."""

    tenant_id: UUID
    actor: str
    request_id: str
    transaction_id: UUID


def cancel_transaction(*, reason: str = "", idempotency_key: str | None = None, **who: Unpack[MoveArguments]) -> Posted[RowDict]:
    """Cancel a transaction that isn't over; its active estimates are superseded by zero. As every move it returns the whole transaction.

    Raises NotFound, WrongStatus, IdempotencyConflict, Busy.
    """
    return _move(Status.CANCELLED, reason=reason, idempotency_key=idempotency_key, **who)


def prepare_transaction(*, reason: str = "", **who: Unpack[MoveArguments]) -> Posted[RowDict]:
    """Begin to decide on a pending transaction. Raises NotFound, WrongStatus, Busy."""
    return _move(Status.PREPARING, reason=reason, **who)


def authorize_transaction(*, reason: str = "", **who: Unpack[MoveArguments]) -> Posted[RowDict]:
    """Decide that a prepared transaction may go ahead. The tenant's spending rules are asked and may deny it.

    Raises NotFound, WrongStatus, NeedsPerson, Busy.
    """
    return _move(Status.AUTHORIZED, reason=reason, **who)


def deny_transaction(*, reason: str, **who: Unpack[MoveArguments]) -> Posted[RowDict]:
    """Decide that a prepared transaction may not go ahead; `reason` is what the caller reads. Raises NotFound, WrongStatus, Busy.

    For code of a deployment that decides later: no address and no command calls it. Spending rules deny within the posting functions.
    """
    return _move(Status.DENIED, reason=reason, **who)


def _move(
    status: Status, *, tenant_id: UUID, actor: str, request_id: str, transaction_id: UUID, reason: str, idempotency_key: str | None = None
) -> Posted[RowDict]:
    item = make_amendment(
        actor=actor,
        request_id=request_id,
        transaction_id=transaction_id,
        stated={"call": status.value, "reason": reason or None},
        move={"to_status": status.value, "reason": reason, "asks_rules": status == Status.AUTHORIZED},
        idempotency_key=idempotency_key,
    )
    posted = amend_one(item, tenant_id=tenant_id)
    return Posted(selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id), posted.replayed)


def close_stale_transactions(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> dict[UUID, int]:
    """Cancel what has stayed authorized beyond its tenant's limit; how many, by tenant. Tenants without a limit are left alone.

    The time is the database's. Each transaction is decided under its lock: what another call completes, cancels or authorizes again
    meanwhile is left alone.
    """
    closed: dict[UUID, int] = {}
    for limit in selectors.list_stale_limits(tenant_id=tenant_id):
        closed[limit["tenant_id"]] = _close_stale(actor=actor, request_id=request_id, **limit)
    return closed


def _close_stale(*, tenant_id: UUID, stale_after: timedelta, actor: str, request_id: str) -> int:
    closed = 0
    last: UUID | None = None
    while ids := selectors.list_stale_transactions(tenant_id=tenant_id, stale_after=stale_after, after_id=last, limit=BATCH):
        last = ids[-1]
        closed += _cancel_stale(ids, tenant_id=tenant_id, stale_after=stale_after, actor=actor, request_id=request_id)
    return closed


def _cancel_stale(ids: Sequence[UUID], *, tenant_id: UUID, stale_after: timedelta, actor: str, request_id: str) -> int:
    reason = f"Not completed within {stale_after}"
    move: dict[str, Any] = {
        "to_status": Status.CANCELLED.value,
        "reason": reason,
        "stale_after": f"{stale_after.total_seconds():f} seconds",
    }
    stated = {"call": Status.CANCELLED.value, "reason": reason}
    items = [make_amendment(actor=actor, request_id=request_id, transaction_id=one, stated=stated, move=move) for one in ids]
    return sum(isinstance(outcome, Posted) for outcome in amend(items, tenant_id=tenant_id))
