"""Costs of transactions. A cost is never edited; a newer one supersedes it."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.ledger.outcomes import Posted
from metering import selectors
from metering.services.amendments import amend_one, make_amendment


def record_cost(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    fiat_amount: Decimal,
    fiat_asset_symbol: str,
    is_estimate: bool,
    supersedes_cost_id: UUID | None = None,
    cost_details: str | None = None,
    idempotency_key: str | None = None,
) -> Posted:
    """A new active cost, in place of `supersedes_cost_id` where that is given; `row` is the cost as selectors.get_cost has it.

    `fiat_asset_symbol`: ISO 4217. `cost_details`: a JSON text. Raises NotFound (kind: transaction, cost), NotOpen, CostOfAnother,
    AlreadySuperseded, IdempotencyConflict, Busy.
    """
    facts: dict[str, Any] = {
        "fiat_amount": fiat_amount,
        "fiat_asset_symbol": fiat_asset_symbol,
        "is_estimate": is_estimate,
        "cost_details": cost_details,
        "call": "costs",
        "supersedes_id": supersedes_cost_id,
    }
    cost = {
        "amount": fiat_amount,
        "currency": fiat_asset_symbol,
        "is_estimate": is_estimate,
        "details": cost_details,
        "supersedes_ids": [] if supersedes_cost_id is None else [supersedes_cost_id],
    }
    item = make_amendment(
        actor=actor, request_id=request_id, transaction_id=transaction_id, facts=facts, cost=cost, idempotency_key=idempotency_key
    )
    posted = amend_one(item, tenant_id=tenant_id)
    return Posted(selectors.get_cost(tenant_id=tenant_id, cost_id=posted.row.cost_id), posted.replayed)
