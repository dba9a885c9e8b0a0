"""Counters that are understood and from which a cost doesn't follow: sums of several requests, and caches beside or within the input."""

from typing import Any

from genai_prices.types import TieredPrices

from metering.usage_reading.counter_extraction import UsageReading, look_up
from metering.usage_reading.counter_names import ALL_STEPS
from metering.usage_reading.read_usage import bodies

# How many requests of a model a usage is the sum of.
REQUESTS = ("usage.requests", "requests", "num_turns", "num_model_requests", "request_counts.total", "token_usage.successful_requests")
LAST_STEP = "usage"
# Version 5 of the Vercel AI SDK reports Anthropic's caches beside the input, version 6 as a part of it.
UNCLEAR_CACHE, CLEAR_CACHE = "cachedInputTokens", "inputTokenDetails"


def unclear_counters(reading: UsageReading, *, reported: Any, public_model: Any, model_price: Any) -> list[str]:
    """The paths of counters from which the cost doesn't follow."""
    return [*_several_requests(reading, reported, model_price), *_unclear_cache(reading, reported, public_model)]


def _several_requests(reading: UsageReading, reported: Any, model_price: Any) -> list[str]:
    """The paths of members that say that the usage is of several requests, where a price depends on the size of a request and the input of
    them all is above a tier's start: each request alone may be below it."""
    tiers = [price.tiers for price in vars(model_price).values() if isinstance(price, TieredPrices)]
    if not any(reading.counters.get("input_tokens", 0) > tier.start for of_price in tiers for tier in of_price):
        return []
    return [
        f"{path}.{name}" if path else name
        for path, body in bodies(reported)
        for name in (*REQUESTS, ALL_STEPS)
        if _says_several(body, name)
    ]


def _says_several(body: Any, name: str) -> bool:
    """Whether this member says so: a number of requests above one, or a usage of all steps that isn't the last step's."""
    value = look_up(body, name)
    if name == ALL_STEPS:
        return value not in (None, body.get(LAST_STEP))
    return isinstance(value, int) and value > 1


def _unclear_cache(reading: UsageReading, reported: Any, public_model: Any) -> list[str]:
    if not reading.counters.get("cache_read_tokens") or "claude" not in public_model.id:
        return []
    paths = [path for path in reading.read if path.rpartition(".")[2] == UNCLEAR_CACHE]
    return [path for path in paths if look_up(reported, f"{path.rpartition('.')[0]}.{CLEAR_CACHE}".lstrip(".")) is None]
