"""Bodies and replies of the tenant's own prices."""

import json
from decimal import Decimal
from typing import Any

from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Currency, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from metering.api.serializers.base import MeteringBody, MeteringReply
from metering.api.serializers.replies import PricingReply
from metering.choices import TierMode

ABSENT: dict[str, Any] = {"required": False, "allow_null": True}
NAMES = {"service_name": 255, "action_name": 255, "resource_name": 2048}


class TierBody(MeteringBody):
    up_to = AmountText(sign="positive", description="The quantity that the tier ends with; absent in the last tier.", **ABSENT)
    amount = AmountText(example="0.05")


class UnitBody(MeteringBody):
    """One term of a price: an amount for each `per` units of what the facts report under `factKey`."""

    fact_key = Text(is_key=True, min_length=1, max_length=255, example="usage.input_tokens", description="Dots lead into objects.")
    amount = AmountText(required=False, description="Absent where there are tiers.", allow_null=True, example="2.50")
    per = Integer(min_value=1, required=False, default=1, example=1_000_000)
    is_optional = Boolean(required=False, default=False, description="A quantity that the facts don't have counts as zero.")
    is_package = Boolean(required=False, default=False, description="Every begun package of `per` units costs `amount`.")
    part_of = Text(
        max_length=255,
        description="The factKey that counts this quantity as well: it is billed here and taken out there. Known names are recognised "
        "where it is absent; an empty text means that it is no part of another.",
        **ABSENT,
    )
    tier_mode = Choice(
        TierMode.values,
        description="graduated: each part costs what its own tier says; volume: all of it what the last tier says.",
        **ABSENT,
    )
    tiers = ListOf(Nested(TierBody), max_items=100, **ABSENT)


class PriceRequest(MeteringBody):
    """A price: what each call costs, and its units; or instead of units a markup on the public price of the model. Names that are absent
    match everything."""

    service_name = Text(is_key=True, min_length=1, max_length=255, **ABSENT)
    action_name = Text(min_length=1, max_length=255, **ABSENT)
    resource_name = Text(min_length=1, max_length=2048, description="A resource, or a model that facts name.", **ABSENT)
    currency = Currency(required=False, default="USD")
    flat_amount = AmountText(required=False, default=Decimal(0), description="What each call costs, whatever it used.")
    minimum = AmountText(required=False, default=Decimal(0), description="What a call costs at least.")
    markup = AmountText(sign="any", description="The share that is added to the public price: 0.2 for 20 % more.", **ABSENT)
    valid_from = Timestamp(description="Now, where absent.", **ABSENT)
    valid_to = Timestamp(is_expiry=True, **ABSENT)
    units = ListOf(Nested(UnitBody), max_items=100, required=False, default=())


class EndPriceRequest(MeteringBody):
    may_be_empty = True

    valid_to = Timestamp(description="The first moment without the price; now, where absent.", **ABSENT)


class QuoteRequest(MeteringBody):
    """A call as it would be recorded, with the facts that it would report."""

    service_name = Text(is_key=True, min_length=1, max_length=255)
    action_name = Text(min_length=1, max_length=255, **ABSENT)
    resource_name = Text(min_length=1, max_length=2048, **ABSENT)
    qualifiers = JsonObject(**ABSENT)
    occurred_at = Timestamp(description="Whose prices apply; now, where absent.", **ABSENT)
    facts = JsonObject()


class TierReply(MeteringReply):
    up_to = AmountText(required=False)
    amount = AmountText()


class UnitReply(MeteringReply):
    fact_key = Text()
    amount = AmountText()
    per = Integer(min_value=1)
    is_optional = Boolean()
    is_package = Boolean()
    part_of = Text()
    tier_mode = Text(required=False)
    tiers = ListOf(Nested(TierReply))

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        tiers = json.loads(row["tiers"] or "[]")
        read = [{"up_to": _decimal(tier.get("upTo")), "amount": Decimal(tier["amount"])} for tier in tiers]
        return super().plain(row | {"tier_mode": row["tier_mode"] or None, "tiers": read})


class PriceReply(MeteringReply):
    """A price. Its names are null where it matches everything."""

    id = Identifier()
    service_name = Text(required=False)
    action_name = Text(required=False)
    resource_name = Text(required=False)
    currency = Currency()
    flat_amount = AmountText()
    minimum = AmountText()
    markup = AmountText(required=False, sign="any")
    valid_from = Timestamp()
    valid_to = Timestamp(required=False)
    units = ListOf(Nested(UnitReply))
    created_at = Timestamp()

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        return super().plain(row | {name: row[name] or None for name in NAMES})


class QuoteReply(MeteringReply):
    """What a call would cost, and why. `amount` is null where no price is known; `pricing` says what is missing. `prices`: the tenant's
    prices that fit, the one that counts first."""

    amount = AmountText(full=True, required=False)
    currency = Currency(required=False)
    pricing = Nested(PricingReply)
    cost_details = JsonObject(required=False)
    prices = ListOf(Nested(PriceReply))


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
