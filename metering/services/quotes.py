"""What a call would cost."""

from datetime import datetime
from uuid import UUID

from metering import selectors
from metering.pricing.choosing_prices import fitting_prices
from metering.pricing.price_facts import model_of, parsed_json, price_facts
from metering.selectors import PriceTerms, RowDict
from metering.services.facts import pricing_fields
from metering.usage_reading.name_normalization import with_normalized_names


def quote_call(
    *,
    tenant_id: UUID,
    service_name: str,
    facts: str,
    action_name: str | None = None,
    resource_name: str | None = None,
    qualifiers: str | None = None,
    occurred_at: datetime | None = None,
) -> RowDict:
    """The cost of a call that isn't recorded: amount and currency (None where no price is known), pricing, cost_details (a JSON text), and
    `prices`, those of the tenant that fit, the one that counts first. `facts`, `qualifiers`: JSON texts."""
    policy = selectors.get_pricing_policy(tenant_id=tenant_id)
    terms: PriceTerms = {
        "service__name": service_name,
        "action_name": action_name or "unspecified",
        "resource_name": resource_name or "unspecified",
        "qualifiers": qualifiers,
        "request_facts": None,
        "occurred_at": occurred_at or policy["now"],
        "reported_costs": policy["reported_costs"],
        "prices_self_hosted": policy["prices_self_hosted"],
    }
    book = selectors.list_prices(tenant_id=tenant_id, at=terms["occurred_at"])
    priced = price_facts(terms=terms, facts=facts, book=book)
    return {
        "amount": priced.amount,
        "currency": None if priced.amount is None else priced.currency,
        "pricing": {"status": priced.pricing.value, "note": priced.note or None, **pricing_fields(priced)},
        "cost_details": priced.details,
        "prices": fitting_prices(terms=terms, model=model_of(terms=terms, parsed=with_normalized_names(parsed_json(facts))), book=book),
    }
