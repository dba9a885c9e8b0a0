"""What a plain usage costs by a public price: one that counts input, output and parts of them, in a reply that shows nothing else.

Most replies have such a usage, and a batch has a thousand of them. How one is read, and which prices count, depends on the names of its
counters and not on their quantities. So both are remembered from the first of a shape, which was read in full (read_usage, tool_uses,
service_tiers), and of the next the quantities alone are read. tests/metering/test_plain_usage_costs.py holds the results equal.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from kernel.base.caches import BoundedDict
from kernel.ledger.money import AMOUNT_LIMIT
from metering.pricing.public_price_costs import PricePlan, PublicCost, cost_by_plan, remembered_plan
from metering.usage_reading.counter_extraction import UsageReading
from metering.usage_reading.counter_names import REQUIRED_COUNTERS, WHOLES
from metering.usage_reading.service_tiers import BATCH_LINE, WHOLE_BATCH, mentions_tier
from metering.usage_reading.tool_uses import SEARCHING_MODEL, mentions_tools

Name = str | tuple[str, str]
# What decides beside the usage and the price: the service, the model, whether models that the tenant runs have a price.
ContextKey = tuple[str, str, bool]

# What a reply may have beside its usage: members in which nothing is looked for but the tools and tiers that a search of its text finds.
MEMBERS = frozenset({"model", "usage", "id", "object", "created", "choices", "output", "system_fingerprint", "service_tier", "status"})
SILENT_MEMBERS = frozenset({"model", "usage"})
# The names of counters, and what they count. Parts stand in an object of the usage. Anthropic's counters of caches beside `input_tokens`,
# which come on top of it, aren't plain: read_usage reads each such usage in full.
COUNTERS: dict[Name, str] = {
    **dict.fromkeys(("prompt_tokens", "input_tokens", "inputTokens", "promptTokens"), "input_tokens"),
    **dict.fromkeys(("completion_tokens", "output_tokens", "outputTokens", "completionTokens"), "output_tokens"),
    **{(whole, "cached_tokens"): "cache_read_tokens" for whole in ("prompt_tokens_details", "input_tokens_details")},
    **{(whole, "audio_tokens"): "input_audio_tokens" for whole in ("prompt_tokens_details", "input_tokens_details")},
    **{(whole, "reasoning_tokens"): "output_reasoning_tokens" for whole in ("completion_tokens_details", "output_tokens_details")},
    **{(whole, "audio_tokens"): "output_audio_tokens" for whole in ("completion_tokens_details", "output_tokens_details")},
}
TOTALS = frozenset({"total_tokens", "totalTokens"})
MAX_QUANTITY = int(AMOUNT_LIMIT) - 1


class PlainUsage(msgspec.Struct, frozen=True):
    """The counters of a usage, by their names there, which may be unknown, and their quantities."""

    names: tuple[Name, ...]
    quantities: tuple[int, ...]


class UsageShape(NamedTuple):
    """What usages have in common whose counters have the same names.

    `counters`: in the order of a reading, each with its place among the quantities of the usage. `wholes` and `totals`: the places of input
    and output, and of their sums. `parts`: of the counters, with what each is a part of. `read`: the paths of the counters. `price`: the
    price as the details of a cost have it, encoded.
    """

    model_price: Any
    plan: PricePlan
    counters: tuple[tuple[str, int], ...]
    wholes: tuple[int, ...]
    totals: tuple[int, ...]
    parts: tuple[tuple[str, str], ...]
    read: Sequence[str]
    price: msgspec.Raw


# By the context key, the id of the public price, the names, and which quantities aren't zero. The shape keeps its price, so that the id
# stays its own.
_shapes: BoundedDict[tuple[Any, ...], UsageShape] = BoundedDict(at_most=1_000)


def plain_usage(reported: Any, *, facts: str) -> PlainUsage | None:
    """The usage of a reply, if that is plain but for the names of its counters. `facts`: the text of `reported`."""
    if type(reported) is not dict or type(usage := reported.get("usage")) is not dict:
        return None
    is_silent = reported.keys() <= SILENT_MEMBERS
    if not is_silent and not reported.keys() <= MEMBERS:
        return None
    names: list[Name] = []
    quantities: list[Any] = []
    for name, value in usage.items():
        if type(value) is dict:
            names += [(name, part) for part in value]
            quantities += value.values()
        else:
            names.append(name)
            quantities.append(value)
    for quantity in quantities:
        if type(quantity) is not int or not 0 <= quantity <= MAX_QUANTITY:
            return None
    if not is_silent and _may_tell_more(reported, facts):
        return None
    return PlainUsage(tuple(names), tuple(quantities))


def _may_tell_more(reported: dict[str, Any], facts: str) -> bool:
    """Whether a tool, a tier or a batch may be named beside the usage."""
    if str(reported.get("id")).startswith(BATCH_LINE) or reported.get("object") == WHOLE_BATCH:
        return True
    return mentions_tools(facts) or mentions_tier(facts)


def known_shape(usage: PlainUsage, *, model_price: Any, context_key: ContextKey) -> UsageShape | None:
    """What was remembered of usages of this shape."""
    shape = _shapes.get(_key(usage, model_price=model_price, context_key=context_key))
    return shape if shape is not None and shape.model_price is model_price else None


def plain_usage_cost(usage: PlainUsage, shape: UsageShape) -> tuple[dict[str, int], PublicCost] | None:
    """The counters of a usage of a known shape, in the order of a reading, and their price. None where they contradict each other."""
    quantities = usage.quantities
    if shape.totals and not _add_up(quantities, wholes=shape.wholes, totals=shape.totals):
        return None
    counters = {name: quantities[place] for name, place in shape.counters}
    for part, whole in shape.parts:
        if counters[part] > counters[whole]:
            return None
    cost = cost_by_plan(shape.plan, counters, model_price=shape.model_price)
    return None if cost is None else (counters, cost)


def remember_shape(usage: PlainUsage, reading: UsageReading, *, model_price: Any, price: dict[str, Any], context_key: ContextKey) -> None:
    """Remember how a usage was read, if those of its shape are plain. It was read in full, every counter of it has a price, and no context
    was needed. `price`: as the details of its cost have it."""
    if not all(name in COUNTERS or name in TOTALS for name in usage.names) or SEARCHING_MODEL.search(context_key[1]):
        return
    names = [COUNTERS.get(name) for name in usage.names]
    places = {counter: place for place, counter in enumerate(names) if counter is not None}
    counted = {counter: usage.quantities[place] for counter, place in places.items()}
    totals = tuple([place for place, counter in enumerate(names) if counter is None])
    if len(totals) + len(counted) != len(names) or reading.counters != counted or len(reading.read) != len(counted) or reading.ignored:
        return
    plan = remembered_plan(model_price, reading.counters)
    wholes = tuple([place for counter, place in places.items() if counter in REQUIRED_COUNTERS])
    if plan is None or not _add_up(usage.quantities, wholes=wholes, totals=totals):
        return
    _shapes[_key(usage, model_price=model_price, context_key=context_key)] = UsageShape(
        model_price=model_price,
        plan=plan,
        counters=tuple([(counter, places[counter]) for counter in reading.counters]),
        wholes=wholes,
        totals=totals,
        parts=tuple([(name, WHOLES[name]) for name in counted if WHOLES.get(name) in counted]),
        read=reading.read,
        price=msgspec.Raw(msgspec.json.encode(price)),
    )


def _add_up(quantities: Sequence[int], *, wholes: Sequence[int], totals: Sequence[int]) -> bool:
    """Whether each total is the sum of input and output. Else something was counted that has no name of its own."""
    whole = sum([quantities[place] for place in wholes])
    return not [place for place in totals if quantities[place] != whole]


def _key(usage: PlainUsage, *, model_price: Any, context_key: ContextKey) -> tuple[Any, ...]:
    return context_key, id(model_price), usage.names, tuple([quantity > 0 for quantity in usage.quantities])
