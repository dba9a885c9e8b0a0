"""Facts: what integrations report. Where a price is known, a fact becomes a cost that supersedes the estimates."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from metering import selectors
from metering.choices import FactPhase, Pricing
from metering.selectors import Row
from metering.services.amendments import amend_one, make_amendment
from metering.services.pricing import Priced, price_facts


@dataclass(frozen=True, slots=True)
class RecordedFact:
    """A recorded fact. `pricing`: how its pricing went; `superseded`: the costs that its cost replaced, with id and fiat_amount."""

    fact_id: UUID
    cost_id: UUID | None
    pricing: Row | None
    superseded: list[Row] | None
    replayed: bool


def record_fact(
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
) -> RecordedFact:
    """Record what was reported. `facts`, `integration`: JSON texts. Raises NotFound, NotOpen, IdempotencyConflict, Busy."""
    reported = {"source": source, "version": version, "phase": fact_phase, "facts": facts, "integration": integration}
    fact, cost = make_fact(tenant_id=tenant_id, transaction_id=transaction_id, reported=reported)
    item = make_amendment(
        actor=actor,
        request_id=request_id,
        transaction_id=transaction_id,
        facts=reported | {"call": "facts"},
        fact=fact,
        cost=cost,
        idempotency_key=idempotency_key,
    )
    posted = amend_one(item, tenant_id=tenant_id)
    row = posted.row
    superseded = selectors.list_superseded(tenant_id=tenant_id, transaction_id=transaction_id, cost_id=row.cost_id) if row.cost_id else None
    return RecordedFact(row.fact_id, row.cost_id, pricing_of(row), superseded or None, posted.replayed)


def make_fact(*, tenant_id: UUID, transaction_id: UUID, reported: Row) -> tuple[Row, Row | None]:
    """The fact and the cost computed from it, as `make_amendment` takes them. Raises NotFound.

    The price is the one that the price book has for the transaction's own time; a price set meanwhile is applied by re-pricing.
    """
    if reported["phase"] == FactPhase.REQUEST:
        # What a request expects isn't yet what it used.
        return reported | {"pricing": Pricing.NOT_ASKED.value, "pricing_note": ""}, None
    terms = selectors.get_price_terms(tenant_id=tenant_id, transaction_id=transaction_id)
    book = selectors.list_prices(tenant_id=tenant_id, at=terms["occurred_at"])
    priced = price_facts(terms=terms, facts=reported["facts"], book=book)
    fields = pricing_fields(priced)
    if priced.reported is not None:
        fields["reported"] = {"path": priced.reported[0], "amount": f"{priced.reported[1]:f}"}
    fact = reported | {
        "pricing": priced.pricing.value,
        "pricing_note": priced.note,
        "pricing_fields": msgspec.json.encode(fields).decode() if any(fields.values()) else None,
    }
    return fact, _make_cost(priced, is_estimate=reported["phase"] == FactPhase.PARTIAL)


def pricing_fields(priced: Priced) -> Row:
    """Which counters of the facts were priced and which not, and the cost that the reply itself states."""
    stated = {} if priced.reported is None else {"reported": {"path": priced.reported[0], "amount": priced.reported[1]}}
    return {"read": priced.read, "ignored": priced.ignored, **stated}


def _make_cost(priced: Priced, *, is_estimate: bool) -> Row | None:
    """The cost as `make_amendment` takes it; None where there is no price. If not all counters were read, the cost is an estimate."""
    if priced.amount is None:
        return None
    return {
        "amount": priced.amount,
        "currency": priced.currency,
        "is_estimate": is_estimate or priced.pricing == Pricing.PARTLY_READ,
        "details": priced.details,
        "replaces_inferred": True,
    }


def pricing_of(row: Any) -> Row | None:
    """How the pricing of a recorded fact went, from a row of metering_amend; None where the call reported no fact."""
    if row.pricing is None:
        return None
    fields = msgspec.json.decode(row.pricing_fields) if row.pricing_fields else {"read": [], "ignored": []}
    if "reported" in fields:
        fields["reported"] = {**fields["reported"], "amount": Decimal(fields["reported"]["amount"])}
    return {"status": row.pricing, "note": row.pricing_note or None, **fields}
