"""What a usage costs by a public price, as genai-prices computes it, without computing again how the price is put together. Which model's
price it is: public_model_lookup.py.

genai-prices finds out for each usage which counters are parts of which others. That depends on the names of the counters alone, so it is
remembered here for each price and set of names, and a thousand calls of a batch need it once. tests/metering/test_usage_bodies.py holds
the results equal to those of genai-prices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from genai_prices.data_units import unit_data
from genai_prices.types import TieredPrices, calc_unit_price

from kernel.base.caches import BoundedDict
from metering.usage_reading.counter_extraction import UsageReading
from metering.usage_reading.counter_names import REQUIRED_COUNTERS

ZERO = Decimal(0)
# One for each call; no counter.
REQUESTS = "requests"
WEB_SEARCHES = "web_searches"
UNITS_BY_PRICE = {unit["price_key"]: name for name, unit in unit_data.items()}
# By the price's id and the names of the counters; the price is kept, so that its id stays its own.
_plans: BoundedDict[tuple[Any, ...], tuple[Any, "PricePlan | None"]] = BoundedDict(at_most=1_000)


class PublicCost(msgspec.Struct, frozen=True):
    """What a usage costs: for input, for output, and all together with what each request costs."""

    input_cost: Decimal
    output_cost: Decimal
    total_cost: Decimal
    model_price: Any


@dataclass(frozen=True, slots=True)
class _Part:
    """A counter that has a price. `parts`: the other priced counters that count parts of it."""

    counter: str
    price: Any
    per: int
    direction: str | None
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PricePlan:
    """The priced counters that are used, in the price's own order, in which they are added up, and so that parts come before wholes."""

    summed: tuple[_Part, ...]
    parts_first: tuple[_Part, ...]


def public_cost(
    reading: UsageReading, *, provider: Any, public_model: Any, model_price: Any, at: datetime, context: Mapping[str, str]
) -> PublicCost:
    """`model_price`: the public model's price of this time, without the context. Raises ValueError where counters contradict each other."""
    counters = reading.counters
    # Prices in a context are made for each call; seconds may be rounded.
    if context or [name for name, quantity in counters.items() if type(quantity) is not int or name.endswith("seconds")]:
        return cost_by_genai_prices(reading, provider=provider, public_model=public_model, at=at, context=context)
    key = _plan_key(model_price, counters)
    known = _plans.get(key)
    if known is None or known[0] is not model_price:
        cost = cost_by_genai_prices(reading, provider=provider, public_model=public_model, at=at, context=context)
        plan = _plan(model_price, counters)
        if plan is not None and cost_by_plan(plan, counters, model_price=model_price) != cost:
            plan = None
        _plans[key] = (model_price, plan)
        return cost
    by_plan = None if known[1] is None else cost_by_plan(known[1], counters, model_price=model_price)
    return by_plan or cost_by_genai_prices(reading, provider=provider, public_model=public_model, at=at, context=context)


def remembered_plan(model_price: Any, counters: Mapping[str, int]) -> PricePlan | None:
    """The plan by which `public_cost` has priced such counters before; None where it asked genai-prices."""
    known = _plans.get(_plan_key(model_price, counters))
    return None if known is None or known[0] is not model_price else known[1]


def _plan_key(model_price: Any, counters: Mapping[str, int]) -> tuple[Any, ...]:
    return (id(model_price), *counters, *[quantity > 0 for quantity in counters.values()])


def unit_prices_of(model_price: Any) -> dict[str, Any]:
    """The prices that a public price has, by their names there. To ask it for one that it doesn't have takes ten times as long."""
    return {name: price for name, price in vars(model_price).items() if price is not None}


def counters_without_price(reading: UsageReading, model_price: Any) -> list[str]:
    """The counters that aren't zero and that no rate of the price counts. None of a price without any rate (the model is free), no searches
    that a fee for each request includes. A price for tokens of one direction means that those of the other are free.

    Of 90 `input_tokens`, 20 `cache_read_tokens` and 2 `web_searches`: by a price for `input_mtok` alone the searches (any price for tokens
    counts all tokens); by one for `input_mtok` and `requests_kcount` none; by one for `web_searches_kcount` alone both counters of tokens.
    """
    prices = unit_prices_of(model_price)
    has_tokens = any(price in prices for price in REQUIRED_COUNTERS.values())
    # The tokens of sound that is billed by the second are included.
    has_tokens = has_tokens or bool(reading.counters.get("audio_seconds"))
    others = [name for name, quantity in reading.counters.items() if quantity and not (has_tokens and name.endswith("_tokens"))]
    if not others:
        return []
    names = {UNITS_BY_PRICE.get(name) for name in prices}
    rated = [unit_data[name]["dimensions"] for name in names if name is not None and name != REQUESTS]
    included = {WEB_SEARCHES} if REQUESTS in names else set()
    return [name for name in others if names and name not in included and not _is_rated(name, rated)]


def _is_rated(counter: str, rated: Sequence[Mapping[str, str]]) -> bool:
    own = unit_data[counter]["dimensions"]
    return any(whole.items() <= own.items() or whole["family"] == own["family"] == "tokens" for whole in rated)


def cost_by_genai_prices(
    reading: UsageReading, *, provider: Any, public_model: Any, at: datetime, context: Mapping[str, str]
) -> PublicCost:
    """What genai-prices computes. Raises ValueError as public_cost."""
    price = public_model.calc_price(reading.usage, provider, genai_request_timestamp=at, price_context=context)
    return PublicCost(price.input_price, price.output_price, price.total_price, price.model_price)


def _plan(model_price: Any, counters: Mapping[str, int]) -> PricePlan | None:
    """None where genai-prices alone can say what a missing counter means, or that one is less than its parts."""
    prices = unit_prices_of(model_price)
    if not prices.keys() <= UNITS_BY_PRICE.keys() or not counters.keys() <= unit_data.keys():
        return None
    if any(isinstance(price, TieredPrices) for price in prices.values()) and "input_tokens" not in counters:
        return None
    names = [UNITS_BY_PRICE[name] for name in prices]
    dimensions = {counter: unit_data[counter]["dimensions"].items() for counter in names if counter != REQUESTS}
    used = [unit_data[name]["dimensions"].items() for name, quantity in counters.items() if quantity > 0]
    if any(counter not in counters and _is_implied_by(own, used) for counter, own in dimensions.items()):
        return None
    # What isn't used costs nothing and takes nothing off its whole.
    is_used = {counter: counters.get(counter, 0) > 0 for counter in dimensions} | {REQUESTS: True}
    summed = []
    for counter, price in zip(names, prices.values(), strict=True):
        unit = unit_data[counter]
        own = unit["dimensions"].items()
        parts = tuple(other for other, others in dimensions.items() if is_used[other] and other != counter and own <= others)
        if is_used[counter]:
            summed.append(_Part(counter, price, unit["per"], unit["dimensions"].get("direction"), parts if counter != REQUESTS else ()))
        elif parts:
            return None
    return PricePlan(tuple(summed), tuple(sorted(summed, key=lambda part: len(part.parts))))


def _is_implied_by(own: Any, used: Sequence[Any]) -> bool:
    """Whether a counter of the usage counts a part of a missing one, or what two of them have in common is the missing one. Else the
    missing one is zero.

    `input_tokens` is implied by `cache_read_tokens`, a part of it, and `cache_audio_read_tokens` by `cache_read_tokens` and
    `input_audio_tokens`, as tokens may be counted in both; `cache_read_tokens` isn't implied by `input_tokens`.
    """
    return any(own <= one for one in used) or any(own == one | other for one in used for other in used)


def cost_by_plan(plan: PricePlan, counters: Mapping[str, int], *, model_price: Any) -> PublicCost | None:
    """None where a counter is less than its parts: the library says so in its words."""
    rest: dict[str, int] = {}
    for part in plan.parts_first:
        quantity = 1 if part.counter == REQUESTS else counters.get(part.counter, 0)
        if part.parts:
            quantity -= sum([rest[name] for name in part.parts])
        if quantity < 0:
            return None
        rest[part.counter] = quantity
    total = input_cost = output_cost = ZERO
    for part in plan.summed:
        quantity = rest[part.counter]
        if type(part.price) is Decimal:
            price = part.price * quantity / part.per
        else:
            price = calc_unit_price(part.price, quantity, counters.get("input_tokens", 0), part.per)
        total += price
        if part.direction == "input":
            input_cost += price
        elif part.direction == "output":
            output_cost += price
    return PublicCost(input_cost, output_cost, total, model_price)
