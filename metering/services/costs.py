"""Costs: what a transaction is known to have cost, each better knowledge superseding the one before."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from metering import selectors
from metering.selectors import Row
from metering.services.amendments import amend_one, amendment


def add_cost(
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
) -> tuple[Row, bool]:
    """A new active cost, in place of `supersedes_cost_id` where given; the row, and whether an earlier call had made it.

    `fiat_asset_symbol`: ISO 4217. Raises NotFound (kind: transaction, cost), NotOpen, CostOfAnother, AlreadySuperseded,
    IdempotencyConflict, Busy.
    """
    said: dict[str, Any] = {
        "fiat_amount": fiat_amount,
        "fiat_asset_symbol": fiat_asset_symbol,
        "is_estimate": is_estimate,
        "cost_details": cost_details,
    }
    cost = {
        "amount": fiat_amount,
        "currency": fiat_asset_symbol,
        "is_estimate": is_estimate,
        "details": cost_details,
        "supersedes": supersedes_cost_id,
    }
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id, "transaction_id": transaction_id}
    said |= {"call": "costs", "supersedes_id": supersedes_cost_id}
    done = amend_one(amendment(**who, cost=cost, idempotency_key=idempotency_key, said=said))
    return selectors.get_cost(tenant_id=tenant_id, cost_id=done.cost_id), done.outcome == "replayed"
