"""Which counters of a tenant's own prices are parts of others, by their names, and which counters of a report such a price leaves out."""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from metering.usage_reading.counter_extraction import numeric_leaves
from metering.usage_reading.counter_names import COUNTER, COUNTER_NAME, NAMES, NEVER_PRICED, OUTPUT_PART

# Counters that are a part of another one, by the names that say so, and the names of the whole. What Anthropic and Bedrock call
# cache_read_input_tokens or cacheReadInputTokens comes on top of their input and isn't among them.
INPUT_PART = re.compile(
    r"(cached(Input)?Tokens|cached_(input_)?tokens|cache(Read|Write)Tokens|cache_(read|write)_tokens|prompt_cache_hit_tokens)\Z"
)
# What Anthropic wrote to a cache, by how long it is kept, and the sum of it beside.
WRITTEN, WRITTEN_FOR = "cache_creation_input_tokens", re.compile(r"(?P<prefix>(.*\.)?)cache_creation\.ephemeral_(5m|1h)_input_tokens\Z")
# Parts that have a price of their own wherever tokens have prices: sound costs many times more than text.
OTHER_RATE = re.compile(r"audio|_1h_", re.IGNORECASE)
# Tools that a provider ran and bills by their use, where a usage counts them.
TOOL_COUNTER = re.compile(
    r"(search|code_execution)_(requests|queries)|num_search|search_units|sources_used|tools_used|(^|\.)connectors\.|search_web\.invocation",
    re.IGNORECASE,
)
# What a key of a price is called that counts them.
TOOL_KEY = re.compile(r"search|tool", re.IGNORECASE)
DETAILS = re.compile(r"(?P<side>prompt|input|completion|output)_?tokens?_?details\Z", re.IGNORECASE)


def whole_counter_of(key: str, keys: Collection[str]) -> str:
    """Which of `keys` counts what `key` is a part of, by their names; empty where none does. `usage.prompt_tokens` of
    `usage.prompt_tokens_details.cached_tokens`, `inputTokens` of `cachedTokens`."""
    written = WRITTEN_FOR.match(key)
    if written is not None:
        return written["prefix"] + WRITTEN if written["prefix"] + WRITTEN in keys else ""
    container, _, name = key.rpartition(".")
    details = DETAILS.search(container.rpartition(".")[2])
    if details is not None:
        container = container.rpartition(".")[0]
        side = "input_tokens" if details["side"].lower() in {"prompt", "input"} else "output_tokens"
    elif INPUT_PART.match(name):
        side = "input_tokens"
    elif OUTPUT_PART.match(name):
        side = "output_tokens"
    else:
        return ""
    prefix = f"{container}." if container else ""
    return next((other for other in keys if other != key and other in {prefix + name for name in NAMES[side]}), "")


def unpriced_counters(facts: Any, *, keys: Collection[str]) -> list[str]:
    """Counters in the facts that aren't zero, have no price among `keys` and are no part of a priced one with the same rate. Nothing where
    no key counts tokens: a price by the page says nothing about them."""
    if not counts_tokens(tuple(keys)) or not isinstance(facts, dict):
        return []
    numbers = [leaf for leaf, value in numeric_leaves(facts) if value != 0 and _is_counter(leaf)]
    # A text is a counter by its own name alone: a model's output is among these.
    numbers += [leaf for leaf, value in numeric_leaves(facts, texts=True) if value != 0 and _is_named_as_counter(leaf)]
    return [leaf for leaf in dict.fromkeys(numbers) if leaf not in keys and (OTHER_RATE.search(leaf) or not whole_counter_of(leaf, keys))]


# The names of leaves, and the keys of prices, are few: what they mean is remembered.
@lru_cache(maxsize=10_000)
def _is_counter(leaf: str) -> bool:
    return bool(COUNTER.search(leaf) or TOOL_COUNTER.search(leaf)) and not NEVER_PRICED.search(leaf)


@lru_cache(maxsize=10_000)
def _is_named_as_counter(leaf: str) -> bool:
    return bool(COUNTER_NAME.search(leaf) or TOOL_COUNTER.search(leaf)) and not NEVER_PRICED.search(leaf)


@lru_cache(maxsize=1_000)
def counts_tokens(keys: tuple[str, ...]) -> bool:
    """Whether a price with these keys is one of a model's tokens, and not of pages or calls."""
    return any(COUNTER.search(key) for key in keys)


@lru_cache(maxsize=1_000)
def counts_tools(keys: tuple[str, ...]) -> bool:
    """Whether a price with these keys is one of searches or other tools as well."""
    return any(TOOL_KEY.search(key) for key in keys)
