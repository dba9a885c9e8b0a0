"""Costs of transactions. A cost is never edited; a newer one supersedes it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from kernel.ledger.errors import LedgerError
from kernel.ledger.outcomes import Posted, or_raise
from metering import selectors
from metering.services.amendments import amend, make_amendment


def record_cost(
    *, tenant_id: UUID, actor: str, request_id: str, transaction_id: UUID, idempotency_key: str | None = None, **stated: Any
) -> Posted:
    """A new active cost, as record_costs makes it; `row` is the cost as selectors.list_costs has it.

    Raises NotFound (kind: transaction, cost), InvalidValue, NotOpen, CostOfAnother, AlreadySuperseded, IdempotencyConflict, Busy.
    """
    cost = {**stated, "transaction_id": transaction_id, "idempotency_key": idempotency_key}
    [outcome] = record_costs(tenant_id=tenant_id, actor=actor, request_id=request_id, costs=[cost])
    posted = or_raise(outcome)
    return Posted(posted.row["cost"], posted.replayed)


def record_costs(
    *, tenant_id: UUID, actor: str, request_id: str, costs: Sequence[Mapping[str, Any]], with_rows: bool = True
) -> list[Posted | LedgerError]:
    """Record many costs in one call; each is recorded or refused independently, in order. Raises Busy.

    Needed of each: transaction_id, fiat_amount, fiat_asset_symbol (ISO 4217), is_estimate. Optional: supersedes_cost_id, in whose place it
    comes, cost_details (a JSON text), occurred_at, idempotency_key. A row has id and status of the transaction, cost_id, and, `with_rows`,
    the `cost` as it is now.
    """
    items = [_make_item(cost, actor=actor, request_id=request_id) for cost in costs]
    outcomes = amend(items, tenant_id=tenant_id)
    ids = [outcome.row.cost_id for outcome in outcomes if isinstance(outcome, Posted)] if with_rows else []
    rows = selectors.get_costs(tenant_id=tenant_id, ids=ids) if ids else {}
    return [
        outcome
        if isinstance(outcome, LedgerError)
        else Posted(
            {
                "id": item["transaction_id"],
                "status": outcome.row.status,
                "cost_id": outcome.row.cost_id,
                "cost": rows.get(outcome.row.cost_id),
            },
            outcome.replayed,
        )
        for outcome, item in zip(outcomes, items, strict=True)
    ]


def _make_item(cost: Mapping[str, Any], *, actor: str, request_id: str) -> dict[str, Any]:
    superseded = cost.get("supersedes_cost_id")
    stated: dict[str, Any] = {
        "fiat_amount": cost["fiat_amount"],
        "fiat_asset_symbol": cost["fiat_asset_symbol"],
        "is_estimate": cost["is_estimate"],
        "cost_details": cost.get("cost_details"),
        "call": "costs",
        "supersedes_id": superseded,
    }
    made = {
        "amount": cost["fiat_amount"],
        "currency": cost["fiat_asset_symbol"],
        "is_estimate": cost["is_estimate"],
        "details": cost.get("cost_details"),
        "supersedes_ids": [] if superseded is None else [superseded],
    }
    return make_amendment(
        actor=actor,
        request_id=request_id,
        transaction_id=cost["transaction_id"],
        stated=stated,
        cost=made,
        idempotency_key=cost.get("idempotency_key"),
        occurred_at=cost.get("occurred_at"),
    )
