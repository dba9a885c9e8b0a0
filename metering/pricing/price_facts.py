"""From facts to a cost: which price, which quantities, which arithmetic. Runs no query: what the tables hold is passed in.

The tenant's own price book comes first, the most particular price before the more general; then the public model prices that come with
the installation, which need no network. Quantities are exact; the amount is rounded once, to 18 decimals.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec.structs import replace

from kernel.base.caches import BoundedDict
from kernel.ledger.money import AMOUNT_LIMIT, PLACES, trimmed_digits
from metering.choices import Pricing, ReportedCosts
from metering.pricing.choosing_prices import fitting_prices
from metering.pricing.plain_usage_costs import known_shape, plain_usage, plain_usage_cost, remember_shape
from metering.pricing.public_model_lookup import BEDROCK_MODEL, find_public_model
from metering.pricing.public_price_costs import PublicCost, public_cost, unit_prices_of
from metering.pricing.self_hosted import is_self_hosted
from metering.pricing.serving_providers import foreign_prices
from metering.pricing.stated_costs import reported_cost
from metering.pricing.unit_costs import unit_cost
from metering.pricing.unpriced_parts import beyond_own_price, beyond_public_price
from metering.selectors import PriceTerms, RowDict
from metering.usage_reading.counter_extraction import BadQuantity, UsageReading, look_up
from metering.usage_reading.counter_names import DIGITS, NAMES, REQUIRED_COUNTERS
from metering.usage_reading.name_normalization import with_normalized_names
from metering.usage_reading.read_usage import read_usage
from metering.usage_reading.service_tiers import price_context
from metering.usage_reading.tool_uses import with_tool_uses

STEP = Decimal(1).scaleb(-PLACES)
# Where integrations say which model they used; the first that is there counts. Dots lead into objects.
MODEL_NAME_PATHS = (
    *("model", "modelId", "model_id", "modelName", "modelVersion", "response.model", "response.modelVersion", "body.model"),
    *("response.body.model", "message.model", "gen_ai.response.model", "gen_ai.request.model", "response_metadata.model_name"),
    *("attributes.gen_ai.response.model", "attributes.gen_ai.request.model", "model_version", "response.model_version", "response.modelId"),
    *("response_metadata.model", "llm_output.model_name", "result.model", "data.model", "result.message.model", "raw.model", "model_name"),
    *(
        "response_metadata.model_id",
        "llm.model_name",
        "attributes.llm.model_name",
        "embedding.model_name",
        "attributes.embedding.model_name",
        "kwargs.response_metadata.model_name",
        "meta.model",
        "meta.model_name",
    ),
)
# Public prices in words, by the id of their object, which is kept so that the id stays its own.
_texts: BoundedDict[int, tuple[Any, str]] = BoundedDict(at_most=1_000)
# Looked up once: for Python before 3.12 each look-up of an enum's member is a call.
PRICED = Pricing.PRICED
PUBLIC = f"genai-prices {version('genai-prices')}"


class PricingResult(msgspec.Struct, frozen=True):
    """The result of pricing: an amount with its details (a JSON text), or why there is none. A struct is made four times as fast as a
    named tuple."""

    pricing: Pricing
    note: str = ""
    amount: Decimal | None = None
    currency: str = "USD"
    details: str | None = None
    read: Sequence[str] = ()
    ignored: Sequence[str] = ()
    # The path and the amount in dollars of a cost that the provider's reply states.
    reported: tuple[str, Decimal] | None = None


class MissingQuantity(Exception):
    """A quantity that the price needs isn't in the facts, or is no quantity. Its text is the key."""


def price_facts(*, terms: PriceTerms, facts: str, book: Sequence[RowDict]) -> PricingResult:
    """The cost of what `facts` report. `book`: the tenant's prices of the transaction's time.

    A cost that the provider reports itself stands in the details beside the computed one; where the policy says so, it is the actual cost,
    unless the tenant has a price of its own.
    """
    text_as_sent, parsed_as_sent = facts, parsed_json(facts)
    # The same document with the usual names of its values, which public prices are for; the tenant's own prices name those as sent.
    text, parsed = text_as_sent, with_normalized_names(parsed_as_sent)
    if parsed is not parsed_as_sent:
        text = json.dumps(parsed, default=str)
    model = model_of(terms=terms, parsed=parsed)
    # Nearly no reply states its cost, and to look in all places where it may stand takes a while.
    stated = reported_cost(parsed) if "cost" in text or "\\" in text else None
    price = next(iter(fitting_prices(terms=terms, model=model, book=book)), None)
    try:
        if price is not None and price["markup"] is None:
            computed = by_own_price(price, parsed=parsed_as_sent, text=text_as_sent, model=model)
        else:
            computed = _by_public_prices(terms=terms, parsed=parsed, text=text, model=model)
            computed = computed if price is None else _by_markup(price, computed=computed)
    except (MissingQuantity, BadQuantity) as missing:
        computed = PricingResult(pricing=Pricing.MISSING_QUANTITY, note=str(missing)[:512])
    if stated is None:
        return computed
    if price is None and terms["reported_costs"] == ReportedCosts.ACTUAL:
        return _by_report(stated, computed=computed, model=model)
    return _with_stated_cost(stated, computed=computed)


def _by_report(stated: tuple[str, Decimal], *, computed: PricingResult, model: str) -> PricingResult:
    """The cost that the provider's reply states, with the computed one in its details."""
    path, amount = stated[0], _rounded(stated[1])
    details = {
        "price": {"source": "reported by the provider", "path": path},
        "model": model,
        "arithmetic": f"{path} = {trimmed_digits(amount)}",
        "computed": None if computed.amount is None else trimmed_digits(computed.amount),
    }
    return PricingResult(
        pricing=Pricing.PRICED,
        amount=amount,
        details=msgspec.json.encode(details).decode(),
        read=[path],
        ignored=computed.ignored,
        reported=stated,
    )


def _with_stated_cost(stated: tuple[str, Decimal], *, computed: PricingResult) -> PricingResult:
    """The computed cost, with the one that the reply states and the difference (computed less stated) in its details."""
    path, amount = stated[0], _rounded(stated[1])
    if computed.details is None or computed.amount is None or computed.currency != "USD":
        return replace(computed, reported=stated)
    comparison = {"path": path, "amount": trimmed_digits(amount), "difference": trimmed_digits(computed.amount - amount)}
    details = msgspec.json.decode(computed.details) | {"reported": comparison}
    return replace(computed, reported=stated, details=msgspec.json.encode(details).decode())


_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def parsed_json(text: str | None) -> Any:
    """A customer's JSON with exact numbers."""
    if not text:
        return {}
    try:
        return _decode(str(text))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        # What PostgreSQL takes and msgspec doesn't: half of a surrogate pair.
        return json.loads(text, parse_float=Decimal)


def model_of(*, terms: PriceTerms, parsed: Any) -> str:
    """The model that was used: as the facts name it, else the request facts, else the qualifiers; else the transaction's resource.
    `parsed`: facts with their usual names."""
    resource = str(terms["resource_name"])
    model = _model_in(parsed) or _model_in(look_up(parsed_json(terms["request_facts"]), "request"))
    model = model or _model_in(parsed_json(terms["qualifiers"])) or resource
    # A model that Bedrock runs names itself as its maker does; the region, in Bedrock's name of it, decides the price.
    return resource if model in resource and BEDROCK_MODEL.match(resource) else model


def _model_in(values: Any) -> str | None:
    for key in MODEL_NAME_PATHS:
        model = look_up(values, key)
        if isinstance(model, str) and model:
            return model
    return None


def by_own_price(price: RowDict, *, parsed: Any, text: str, model: str) -> PricingResult:
    """The cost by one of the tenant's prices: what each call costs, and its units. What is a part of another quantity is billed once, as
    the part. `text`: the same document, not parsed. Raises MissingQuantity."""
    quantities = {unit["fact_key"]: _quantity_of(parsed, unit["fact_key"], is_optional=unit["is_optional"]) for unit in price["units"]}
    billed = dict(quantities)
    for unit in price["units"]:
        if unit["part_of"]:
            billed[unit["part_of"]] -= quantities[unit["fact_key"]]
    total, steps = _flat_part(price)
    for unit in price["units"]:
        if billed[unit["fact_key"]] < 0:
            raise MissingQuantity(f"{unit['fact_key']} is less than its parts")
        cost, step = unit_cost(unit, billed[unit["fact_key"]])
        total, steps = total + cost, [*steps, step]
    amount, arithmetic = _with_minimum(price, total, " + ".join(steps))
    details = {
        "price": _price_source(price),
        "model": model,
        "quantities": {key: trimmed_digits(quantity) for key, quantity in quantities.items()},
        "arithmetic": arithmetic,
    }
    unpriced = beyond_own_price(parsed, facts=text, keys=tuple(quantities))
    return PricingResult(
        pricing=Pricing.PARTLY_READ if unpriced else Pricing.PRICED,
        note=", ".join(unpriced)[:512],
        amount=amount,
        currency=price["currency"],
        details=msgspec.json.encode(details).decode(),
        read=[key for key in quantities if look_up(parsed, key) is not None],
        ignored=unpriced,
    )


def _by_markup(price: RowDict, *, computed: PricingResult) -> PricingResult:
    """The public price of the model with the tenant's markup, and what each call costs; `computed` as it is without a public price."""
    if computed.amount is None or computed.details is None:
        return computed
    public = msgspec.json.decode(computed.details)
    flat, steps = _flat_part(price)
    marked = f"({public['arithmetic'].partition(' = ')[0]}) × {trimmed_digits(1 + price['markup'])}"
    amount, arithmetic = _with_minimum(price, flat + computed.amount * (1 + price["markup"]), " + ".join([*steps, marked]))
    source = _price_source(price) | {"markup": trimmed_digits(price["markup"]), "public": public["price"]}
    details = public | {"price": source, "arithmetic": arithmetic}
    return replace(computed, amount=amount, details=msgspec.json.encode(details).decode())


def _price_source(price: RowDict) -> dict[str, str]:
    return {"source": "price book", "id": str(price["id"]), "validFrom": price["valid_from"].isoformat()}


def _flat_part(price: RowDict) -> tuple[Decimal, list[str]]:
    """What each call costs, and its step of the arithmetic."""
    flat = price["flat_amount"]
    return flat, [f"{trimmed_digits(flat)} per call"] if flat else []


def _with_minimum(price: RowDict, total: Decimal, steps: str) -> tuple[Decimal, str]:
    """The rounded amount and its arithmetic, `<steps> = <amount>`; what a call costs at least takes the place of less."""
    amount = _rounded(max(total, price["minimum"]))
    least = f", at least {trimmed_digits(price['minimum'])}" if total < price["minimum"] else ""
    return amount, f"{steps}{least} = {trimmed_digits(amount)}"


def _by_public_prices(*, terms: PriceTerms, parsed: Any, text: str, model: str) -> PricingResult:
    """The cost by the public price of a known model, at the time of the transaction. `text`: the same document, not parsed. Raises
    MissingQuantity, BadQuantity."""
    service, at = terms["service__name"], terms["occurred_at"]
    found = find_public_model(service=service, model=model)
    if found is None:
        return PricingResult(pricing=Pricing.UNKNOWN_MODEL, note=model[:512])
    provider, public_model = found
    model_price = public_model.get_prices(at)
    usage = plain_usage(parsed, facts=text)
    context_key = (service, model, bool(terms["prices_self_hosted"]))
    shape = usage and known_shape(usage, model_price=model_price, context_key=context_key)
    if usage and shape and (plain := plain_usage_cost(usage, shape)) is not None:
        counters, cost = plain
        return _result_of(counters, cost, model=model, price=shape.price, read=shape.read)
    if not terms["prices_self_hosted"] and is_self_hosted(parsed, service=service, model=model):
        return PricingResult(pricing=Pricing.UNKNOWN_MODEL, note=model[:512])
    reading = _complete_reading(parsed, provider=provider, model_price=model_price)
    has_request_fee = "requests_kcount" in unit_prices_of(model_price)
    reading = with_tool_uses(
        reading, reported=parsed, facts=text, model=model, public_model=public_model.id, has_request_fee=has_request_fee
    )
    context, unpriced_tier = price_context(public_model, provider=provider, reported=parsed, facts=text, at=at)
    try:
        cost = public_cost(reading, provider=provider, public_model=public_model, model_price=model_price, at=at, context=context)
    except ValueError as error:
        raise MissingQuantity(str(error)) from error
    price = {"source": PUBLIC, "provider": provider.id, "model": public_model.id, "unitPrices": _unit_prices_text(cost.model_price)}
    price |= {"context": context} if context else {}
    doubts = beyond_public_price(reading, cost.model_price, reported=parsed, found=found)
    foreign = foreign_prices(reading.counters, service=service, model=model, provider=provider, public_model=public_model)
    unpriced = [*reading.unpriced, *unpriced_tier, *doubts, *foreign]
    if usage and not unpriced and not context:
        remember_shape(usage, reading, model_price=model_price, price=price, context_key=context_key)
    priced = _result_of(reading.counters, cost, model=model, price=price, read=reading.read)
    if not unpriced and not reading.ignored:
        return priced
    ignored = [*reading.ignored, *(path for path in unpriced if path not in reading.ignored)]
    pricing = Pricing.PARTLY_READ if unpriced else Pricing.PRICED
    return replace(priced, pricing=pricing, note=", ".join(unpriced)[:512], ignored=ignored)


def _result_of(counters: Mapping[str, Any], cost: PublicCost, *, model: str, price: Any, read: Sequence[str]) -> PricingResult:
    """The cost of what was understood in full. `price`: as the details have it. Raises MissingQuantity."""
    amount = _rounded(cost.total_cost)
    details = {
        "price": price,
        "model": model,
        "quantities": {name: _quantity_text(quantity) for name, quantity in counters.items() if quantity},
        "arithmetic": _arithmetic(cost, amount),
    }
    return PricingResult(pricing=PRICED, amount=amount, details=msgspec.json.encode(details).decode(), read=read)


def _quantity_text(quantity: Any) -> str:
    return str(quantity) if type(quantity) is int else trimmed_digits(Decimal(quantity))


def _unit_prices_text(model_price: Any) -> str:
    """A public price in words. Remembered, because nearly all calls have one of a few prices."""
    known = _texts.get(id(model_price))
    if known is None or known[0] is not model_price:
        known = _texts[id(model_price)] = (model_price, str(model_price))
    return known[1]


def _complete_reading(parsed: Any, *, provider: Any, model_price: Any) -> UsageReading:
    """What the facts report: at least every counter of input and output that the model has a price for. Raises MissingQuantity,
    BadQuantity."""
    reading = read_usage(parsed, provider=provider, has_input_only=has_input_only(model_price)) or UsageReading({}, [], [], [])
    for counter, price in REQUIRED_COUNTERS.items():
        if counter not in reading.counters and price in unit_prices_of(model_price):
            raise MissingQuantity(NAMES[counter][0])
    if not reading.counters:
        raise MissingQuantity("usage")
    return reading


def has_input_only(model_price: Any) -> bool:
    """Whether a model is billed by the tokens that it reads alone: those of embeddings."""
    prices = unit_prices_of(model_price)
    return "input_mtok" in prices and "output_mtok" not in prices


def _arithmetic(cost: PublicCost, amount: Decimal) -> str:
    """The parts of a public price; they add up to the amount."""
    other = cost.total_cost - cost.input_cost - cost.output_cost
    steps = [f"{trimmed_digits(cost.input_cost)} input", f"{trimmed_digits(cost.output_cost)} output"]
    if other:
        has_request_fee = "requests_kcount" in unit_prices_of(cost.model_price)
        steps.append(f"{trimmed_digits(other)} {'per request' if has_request_fee else 'for tools'}")
    return f"{' + '.join(steps)} = {trimmed_digits(amount)}"


def _quantity_of(parsed: Any, key: str, *, is_optional: bool) -> Decimal:
    """What the facts have under a key, perhaps a whole number as a text; zero for an optional one that they don't have. Raises
    MissingQuantity."""
    quantity = look_up(parsed, key)
    if quantity is None and is_optional:
        return Decimal(0)
    if isinstance(quantity, str) and DIGITS.match(quantity):
        quantity = int(quantity)
    if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal) or not 0 <= quantity < AMOUNT_LIMIT:
        raise MissingQuantity(key)
    return Decimal(quantity)


def _rounded(amount: Decimal) -> Decimal:
    """To 18 decimals. Raises MissingQuantity for a sum that no row can hold."""
    if amount >= AMOUNT_LIMIT:
        raise MissingQuantity("the amount is out of range")
    return amount.quantize(STEP)
