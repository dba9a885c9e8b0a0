"""Moving a transaction along its life: `metering.choices.MOVES` says whence each status may be reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from metering import selectors
from metering.choices import FactPhase, Outcome, Status
from metering.selectors import Row
from metering.services.amendments import amend, amend_one, amendment
from metering.services.fact_costs import described, fact_part

BATCH = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """A transaction after its move, and what else the call wrote: a fact, its cost, and how the pricing went."""

    row: Row
    fact_id: UUID | None = None
    cost_id: UUID | None = None
    pricing: Row | None = None
    replayed: bool = False


def complete_transaction(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    outcome: str,
    response_facts: Row | None = None,
    idempotency_key: str | None = None,
) -> Moved:
    """Complete an authorized transaction, with what was found out in the end.

    `response_facts`: source, version, facts and perhaps integration (JSON texts); they become a cost where a price is known, which
    supersedes the estimate. Raises NotFound, WrongStatus, IdempotencyConflict, Busy.
    """
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id, "transaction_id": transaction_id}
    said: dict[str, Any] = {"call": "complete", "outcome": outcome}
    fact, cost = None, None
    if response_facts is not None:
        phase = FactPhase.RESPONSE if outcome == Outcome.SUCCESS else FactPhase.ERROR
        reported: dict[str, Any] = {"phase": phase.value, "integration": None} | response_facts
        fact, cost = fact_part(tenant_id=tenant_id, transaction_id=transaction_id, reported=reported)
        said |= reported
    move: dict[str, Any] = {"to": Status.COMPLETED.value, "outcome": outcome}
    done = amend_one(amendment(**who, move=move, fact=fact, cost=cost, idempotency_key=idempotency_key, said=said))
    return Moved(
        row=selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id),
        fact_id=done.fact_id,
        cost_id=done.cost_id,
        pricing=described(done),
        replayed=done.outcome == "replayed",
    )


def cancel_transaction(*, reason: str = "", idempotency_key: str | None = None, **who: Any) -> Moved:
    """Cancel a transaction that isn't over. `who`: tenant_id, actor, request_id, transaction_id. Raises NotFound, WrongStatus, Busy."""
    return _move(Status.CANCELLED, reason=reason, idempotency_key=idempotency_key, **who)


def prepare_transaction(*, reason: str = "", **who: Any) -> Moved:
    """Begin to decide on a pending transaction. Raises NotFound, WrongStatus, Busy."""
    return _move(Status.PREPARING, reason=reason, **who)


def authorize_transaction(*, reason: str = "", **who: Any) -> Moved:
    """Decide that a prepared transaction may go ahead. Raises NotFound, WrongStatus, Busy."""
    return _move(Status.AUTHORIZED, reason=reason, **who)


def deny_transaction(*, reason: str, **who: Any) -> Moved:
    """Decide that a prepared transaction may not go ahead; `reason` is what the caller reads. Raises NotFound, WrongStatus, Busy."""
    return _move(Status.DENIED, reason=reason, **who)


def _move(
    status: Status,
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    reason: str,
    idempotency_key: str | None = None,
) -> Moved:
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id, "transaction_id": transaction_id}
    move: dict[str, Any] = {"to": status.value, "reason": reason}
    said: dict[str, Any] = {"call": status.value, "reason": reason or None}
    done = amend_one(amendment(**who, move=move, idempotency_key=idempotency_key, said=said))
    row = selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id)
    return Moved(row=row, replayed=done.outcome == "replayed")


def close_stale_transactions(*, actor: str, request_id: str, now: datetime, tenant_id: UUID | None = None) -> dict[UUID, int]:
    """Cancel what has stayed authorized beyond its tenant's limit; how many, by tenant. Tenants without a limit are left alone."""
    closed: dict[UUID, int] = {}
    for limit in selectors.stale_limits(tenant_id=tenant_id):
        closed[limit["tenant_id"]] = _close_stale(actor=actor, request_id=request_id, now=now, **limit)
    return closed


def _close_stale(*, tenant_id: UUID, stale_after: timedelta, actor: str, request_id: str, now: datetime) -> int:
    """What another call completes or cancels meanwhile is not counted: the database lets only one of the two happen."""
    closed = 0
    last: UUID | None = None
    while True:
        ids = selectors.stale_transactions(tenant_id=tenant_id, before=now - stale_after, after_id=last, limit=BATCH)
        if not ids:
            return closed
        last = ids[-1]
        closed += _cancel_all(ids, tenant_id=tenant_id, actor=actor, request_id=request_id, reason=f"Not completed within {stale_after}")


def _cancel_all(ids: Sequence[UUID], *, tenant_id: UUID, actor: str, request_id: str, reason: str) -> int:
    move: dict[str, Any] = {"to": Status.CANCELLED.value, "reason": reason}
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    outcomes = amend([amendment(**who, transaction_id=transaction_id, move=move) for transaction_id in ids])
    return sum(outcome.outcome == "done" for outcome in outcomes)
