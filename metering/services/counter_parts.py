"""Which counters of a tenant's own prices are parts of others, by their names, and which counters of a report such a price leaves out."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from metering.services.usage_forms import leaves
from metering.services.usage_names import COUNTER, COUNTER_NAME, NAMES, NEVER_PRICED, OUTPUT_PART

# Counters that are a part of another one, by the names that say so, and the names of the whole. What Anthropic and Bedrock call
# cache_read_input_tokens or cacheReadInputTokens comes on top of their input and isn't among them.
INPUT_PART = re.compile(
    r"(cached(Input)?Tokens|cached_(input_)?tokens|cache(Read|Write)Tokens|cache_(read|write)_tokens|prompt_cache_hit_tokens)\Z"
)
DETAILS = re.compile(r"(?P<side>prompt|input|completion|output)_?tokens?_?details\Z", re.IGNORECASE)


def whole_of(key: str, keys: Iterable[str]) -> str:
    """Which of `keys` counts what `key` is a part of, by their names; empty where none does. `usage.prompt_tokens` of
    `usage.prompt_tokens_details.cached_tokens`, `inputTokens` of `cachedTokens`."""
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
    """Counters in the facts that aren't zero, have no price among `keys` and are no part of a priced one. Nothing where no key counts
    tokens: a price by the page says nothing about them."""
    if not any(COUNTER.search(key) for key in keys) or not isinstance(facts, dict):
        return []
    numbers = {leaf: value for leaf, value in leaves(facts) if COUNTER.search(leaf)}
    # A text is a counter by its own name alone: a model's output is among these.
    numbers |= {leaf: value for leaf, value in leaves(facts, texts=True) if leaf not in numbers and COUNTER_NAME.search(leaf)}
    return [
        leaf
        for leaf, value in numbers.items()
        if value != 0 and leaf not in keys and not NEVER_PRICED.search(leaf) and not whole_of(leaf, keys)
    ]
