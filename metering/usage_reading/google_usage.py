"""Renames the usage counters of Google's APIs and SDKs to one spelling, for counter_extraction.py. Prices are in price_facts.py."""

import re
from collections.abc import Mapping
from typing import Any

# What Google's Live API and its Interactions call the counters of its other API.
OTHER_NAMES = {
    "responseTokenCount": "candidatesTokenCount",
    "responseTokensDetails": "candidatesTokensDetails",
    # The spelling in replies about embeddings.
    "promptTokenDetails": "promptTokensDetails",
    "tokens": "tokenCount",
    "totalInputTokens": "promptTokenCount",
    "totalOutputTokens": "candidatesTokenCount",
    "totalThoughtTokens": "thoughtsTokenCount",
    "totalCachedTokens": "cachedContentTokenCount",
    "totalToolUseTokens": "toolUsePromptTokenCount",
    "inputTokensByModality": "promptTokensDetails",
    "outputTokensByModality": "candidatesTokensDetails",
    "cachedTokensByModality": "cacheTokensDetails",
}
MODALITIES = {name: name.upper() for name in ("text", "audio", "image", "video", "document")}
KNOWN_MODALITIES = frozenset({*MODALITIES.values(), "MODALITY_UNSPECIFIED"})
COUNTS = ("tokenCount", "token_count", "tokens")
SNAKE = re.compile(r"_([a-z])")


def as_generate_content(values: Any) -> Any:
    """A body of Google's Python SDK, or of another of its APIs, as the API generateContent spells it."""
    if isinstance(values, dict):
        names = ((name, SNAKE.sub(lambda match: match[1].upper(), name)) for name in values)
        return {OTHER_NAMES.get(camel, camel): as_generate_content(values[name]) for name, camel in names}
    if isinstance(values, list):
        return _added_up([as_generate_content(value) for value in values])
    return MODALITIES.get(values, values) if isinstance(values, str) else values


def _added_up(items: list[Any]) -> list[Any]:
    """Counts of tokens by modality, of which one is there twice, with one count for each modality; else the same list."""
    counts = [(item.get("modality"), item.get("tokenCount")) for item in items if isinstance(item, dict)]
    names = {name for name, count in counts if isinstance(name, str) and type(count) is int}
    if len(counts) < len(items) or len(names) == len(items) or any(name not in names or type(count) is not int for name, count in counts):
        return items
    return [
        {"modality": name, "tokenCount": sum(count for other, count in counts if other == name)} for name in dict.fromkeys(dict(counts))
    ]


def unknown_modalities(usage: Mapping[str, Any]) -> list[str]:
    """Where a usage counts tokens of a modality that isn't known: they may have another price."""
    items = [(f"{name}.{place}", item) for name, items in usage.items() if isinstance(items, list) for place, item in enumerate(items)]
    return [path for path, item in items if isinstance(item, dict) and "modality" in item and _is_unknown(item)]


def _is_unknown(item: Mapping[str, Any]) -> bool:
    return str(item["modality"]).upper() not in KNOWN_MODALITIES and any(item.get(name) for name in COUNTS)
