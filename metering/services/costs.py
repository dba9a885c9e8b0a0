"""Costs of transactions. A cost is never edited; a newer one supersedes it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from kernel.ledger.errors import LedgerError
from kernel.ledger.outcomes import Posted, or_raise
from metering import selectors
from metering.selectors import RowDict
from metering.services.amendments import amend, make_amendment
from metering.services.posting_rows import CostRow


class CostFacts(TypedDict, total=False):
    """What a caller says of a cost that it adds to a transaction."""

    transaction_id: Required[UUID]
    fiat_amount: Required[Decimal]
    # ISO 4217.
    fiat_asset_symbol: Required[str]
    is_estimate: Required[bool]
    # The active cost in whose place it comes.
    supersedes_cost_id: UUID | None
    # The text of a JSON object.
    cost_details: str | None
    # Default: now.
    occurred_at: datetime | None
    idempotency_key: str | None


def record_cost(*, tenant_id: UUID, actor: str, request_id: str, **facts: Unpack[CostFacts]) -> Posted[CostRow]:
    """A new active cost.

    Raises NotFound (kind: transaction, cost), InvalidValue, NotOpen, CostOfAnother, AlreadySuperseded, IdempotencyConflict, Busy.
    """
    [outcome] = record_costs(tenant_id=tenant_id, actor=actor, request_id=request_id, costs=[facts])
    return or_raise(outcome)


def record_costs(
    *, tenant_id: UUID, actor: str, request_id: str, costs: Sequence[CostFacts], with_rows: bool = True
) -> list[Posted[CostRow] | LedgerError]:
    """Record many costs in one call; each is recorded or refused independently, in order: Posted or its error. Raises Busy.

    `with_rows`: each row has the `cost` as it is now, by one more query for all.
    """
    items = [_make_item(cost, actor=actor, request_id=request_id) for cost in costs]
    outcomes = amend(items, tenant_id=tenant_id)
    ids = [outcome.row.cost_id for outcome in outcomes if isinstance(outcome, Posted) and outcome.row.cost_id] if with_rows else []
    rows = selectors.get_costs(tenant_id=tenant_id, ids=ids) if ids else {}
    return [
        outcome if isinstance(outcome, LedgerError) else Posted(_make_row(outcome.row, item, costs=rows), outcome.replayed)
        for outcome, item in zip(outcomes, items, strict=True)
    ]


def _make_row(row: Any, item: dict[str, Any], *, costs: dict[UUID, RowDict]) -> CostRow:
    return {"id": item["transaction_id"], "status": row.status, "cost_id": row.cost_id, "cost": costs.get(row.cost_id)}


def _make_item(cost: CostFacts, *, actor: str, request_id: str) -> dict[str, Any]:
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
