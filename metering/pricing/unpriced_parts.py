"""What of a call a price says nothing about, so that its cost is an estimate."""

from typing import Any

from metering.pricing.public_price_costs import counters_without_price, unit_prices_of
from metering.usage_reading.counter_extraction import UsageReading, look_up
from metering.usage_reading.counter_parts import counts_tokens, counts_tools, unpriced_counters
from metering.usage_reading.service_tiers import stated_tiers
from metering.usage_reading.tool_uses import shown_tools
from metering.usage_reading.unclear_counters import unclear_counters

# A proxy that answers from its own cache says so: the provider was not asked.
CACHE_HITS = ("cache_hit", "response.cache_hit")
# How much a search of Perplexity reads decides the fee for the request; the public prices know the fee of the largest alone.
SEARCH_SIZE = "search_context_size"
MAX_SEARCH_SIZE = "high"


def beyond_public_price(reading: UsageReading, rates: Any, *, reported: Any, found: tuple[Any, Any]) -> list[str]:
    """What was understood of a usage and has no price, or from which the cost doesn't follow. `rates`: the public price."""
    provider, public_model = found
    return [
        *_without_price(reading, rates, public_model=public_model.id),
        *_smaller_search(provider, rates, reported=reported),
        *unclear_counters(reading, reported=reported, public_model=public_model, model_price=rates),
        *_cache_hits(reported),
    ]


def beyond_own_price(reported: Any, *, facts: str, keys: tuple[str, ...]) -> list[str]:
    """The paths of what a tenant's price of these keys says nothing about. Of a price of tokens: other counters; tools that the provider
    ran, unless the price counts them; the tier that the call was served at; the cache of a proxy. `facts`: the text of `reported`."""
    if not counts_tokens(keys):
        return []
    tools = [] if counts_tools(keys) else shown_tools(reported, facts=facts)
    beside = [*tools, *stated_tiers(reported, facts=facts), *_cache_hits(reported)]
    unpriced = unpriced_counters(reported, keys=keys)
    return [*unpriced, *(path for path in beside if path not in unpriced)]


def _without_price(reading: UsageReading, model_price: Any, *, public_model: str) -> list[str]:
    """Counters that no rate of the public price counts, and those whose whole has another rate: audio costs many times more than text, and
    what is kept in a cache for an hour more than what is kept for minutes."""
    counters = ((name, name.replace("_tokens", "_mtok")) for name in ("input_audio_tokens", "output_audio_tokens", "cache_write_1h_tokens"))
    of_parts = [name for name, price in counters if reading.counters.get(name) and price not in unit_prices_of(model_price)]
    # All that these models put out is sound.
    if public_model.endswith("-tts") or "-tts-" in public_model:
        of_parts = [name for name in of_parts if name != "output_audio_tokens"]
    return list(dict.fromkeys([*of_parts, *counters_without_price(reading, model_price)]))


def _smaller_search(provider: Any, model_price: Any, *, reported: Any) -> list[str]:
    """Where Perplexity asks a fee for each request: the size of the search, if it isn't the one whose fee the public prices know."""
    if provider.id != "perplexity" or "requests_kcount" not in unit_prices_of(model_price):
        return []
    sizes = {path: look_up(reported, path) for path in (f"usage.{SEARCH_SIZE}", f"response.usage.{SEARCH_SIZE}")}
    stated = {path: size for path, size in sizes.items() if size is not None}
    return [path for path, size in stated.items() if size != MAX_SEARCH_SIZE] if stated else [SEARCH_SIZE]


def _cache_hits(reported: Any) -> list[str]:
    return [path for path in CACHE_HITS if look_up(reported, path) in (True, "True", "true")]
