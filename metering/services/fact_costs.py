"""Facts: what integrations report; where a price is known, a fact becomes a cost that supersedes the estimate."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from metering import selectors
from metering.choices import FactPhase, Pricing
from metering.selectors import Row
from metering.services.amendments import amend_one, amendment
from metering.services.pricing import Priced, price_facts


@dataclass(frozen=True, slots=True)
class Reported:
    """A recorded fact, the cost that came of it, and how the pricing went."""

    fact_id: UUID
    cost_id: UUID | None
    pricing: Row | None
    replayed: bool


def add_facts(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    source: str,
    version: str,
    fact_phase: str,
    facts: str,
    integration: str | None = None,
    idempotency_key: str | None = None,
) -> Reported:
    """Record what was reported. `facts`, `integration`: JSON texts. Raises NotFound, NotOpen, IdempotencyConflict, Busy."""
    reported = {"source": source, "version": version, "phase": fact_phase, "facts": facts, "integration": integration}
    fact, cost = fact_part(tenant_id=tenant_id, transaction_id=transaction_id, reported=reported)
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id, "transaction_id": transaction_id}
    item = amendment(**who, fact=fact, cost=cost, idempotency_key=idempotency_key, said=reported | {"call": "facts"})
    done = amend_one(item)
    return Reported(fact_id=done.fact_id, cost_id=done.cost_id, pricing=described(done), replayed=done.outcome == "replayed")


def fact_part(*, tenant_id: UUID, transaction_id: UUID, reported: Row) -> tuple[Row, Row | None]:
    """The fact as `metering_amend` takes it, and the cost that comes of it. Raises NotFound."""
    if reported["phase"] == FactPhase.REQUEST:
        # What a request expects isn't yet what it used.
        return reported | {"pricing": Pricing.NOT_ASKED.value, "pricing_note": ""}, None
    things = selectors.priced_things(tenant_id=tenant_id, transaction_id=transaction_id)
    book = selectors.prices(tenant_id=tenant_id, at=things["occurred_at"])
    priced = price_facts(things=things, facts=reported["facts"], book=book)
    fact = reported | {"pricing": priced.pricing.value, "pricing_note": priced.note}
    return fact, cost_part(priced, is_estimate=reported["phase"] == FactPhase.PARTIAL)


def cost_part(priced: Priced, *, is_estimate: bool) -> Row | None:
    """The cost as `metering_amend` takes it; None where there is no price."""
    if priced.amount is None:
        return None
    return {
        "amount": priced.amount,
        "currency": priced.currency,
        "is_estimate": is_estimate,
        "details": priced.details,
        "supersedes_current": True,
    }


def described(done: Any) -> Row | None:
    """How the pricing of a recorded fact went; None where there was no fact."""
    return done.pricing and {"status": done.pricing, "note": done.pricing_note or None}
