"""Reads the usage that a provider's reply or an SDK reports: which counters there are, what they mean, and which were not understood.

Providers' own bodies are read by the extractors of genai-prices. Several SDKs (LangChain, the Vercel AI SDK, LiteLLM, OpenTelemetry,
Ollama) report in forms of their own, which usage_names lists. A body is read in every way that fits it, and the way that leaves the fewest
counters unread is taken. Counters come out as genai-prices counts them: cached, audio and reasoning tokens are parts of input or output.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import genai_prices
from genai_prices import data_snapshot
from genai_prices.types import ArrayMatch, Provider, UsageExtractor

from kernel.ledger.money import AMOUNT_LIMIT
from metering.services.google_usage import as_generate_content
from metering.services.usage_names import (
    ATTRIBUTES,
    BODY_STEPS,
    CACHE_WRITES,
    COUNTER,
    DIGITS,
    FALLBACK_PROVIDERS,
    FIRST_STEPS,
    METADATA,
    MIXED_OBJECTS,
    NAMES,
    NEVER_PRICED,
    NUMBER_TEXT,
    OUTPUT_PART,
    PRICED_PARTS,
    REQUIRED_COUNTERS,
    TELEMETRY,
    TOTALS,
)


class BadQuantity(Exception):
    """A counter isn't a quantity. Its text is the counter's path."""


@dataclass(frozen=True, slots=True)
class UsageReading:
    """`read` and `ignored`: paths of counters in the facts. `unpriced`: those of `ignored` that may cost something."""

    counters: dict[str, Any]
    read: list[str]
    ignored: list[str]
    unpriced: list[str]

    @property
    def usage(self) -> Any:
        return genai_prices.Usage(**self.counters)


def read_usage(facts: Any, *, provider: Provider | None) -> UsageReading | None:
    """The usage that facts report, read in the way that leaves the fewest counters unread; None where there is none.

    `provider`: whose model it is; its own forms come first. Raises BadQuantity.
    """
    places = [*_usages(facts), *_metadata(facts)]
    best: UsageReading | None = None
    bad: list[BadQuantity] = []
    # Made one after the other: nearly always the first one understands everything.
    for place in places:
        reading = _best_reading(place, provider=provider, bad=bad)
        if reading is not None and (best is None or len(reading.unpriced) < len(best.unpriced)):
            best, chosen = reading, place
        if best is not None and not best.unpriced:
            break
    if best is None:
        if bad:
            raise bad[0]
        return None
    others = [(place, _best_reading(place, provider=provider, bad=[])) for place in places if place is not chosen and not place.is_bare]
    best = next((other for _, other in others if other is not None and _is_fuller(other, best)), best)
    beside = [place.path.rstrip(".") for place, other in others if other is not None and _tells_more(other, best)]
    beside += [path for place in places if place is not chosen and place.is_bare for path in _counters_beyond(best, place)]
    return replace(best, ignored=[*best.ignored, *beside], unpriced=[*best.unpriced, *beside]) if beside else best


def _best_reading(place: "_Place", *, provider: Provider | None, bad: list[BadQuantity]) -> UsageReading | None:
    """The reading of a place that leaves the fewest counters unread, the first of equal ones."""
    best: UsageReading | None = None
    for reading in _readings(place, provider=provider, bad=bad):
        if best is None or len(reading.unpriced) < len(best.unpriced):
            best = reading
        if not best.unpriced:
            break
    return best


def _is_fuller(other: UsageReading, chosen: UsageReading) -> bool:
    """Whether another place says the same of input and output, and more of what is a part of them."""
    is_same = all(other.counters.get(name, 0) == chosen.counters.get(name, 0) for name in REQUIRED_COUNTERS)
    return is_same and not other.unpriced and _tells_more(other, chosen) and not _tells_more(chosen, other)


def _tells_more(other: UsageReading, chosen: UsageReading) -> bool:
    """Whether another place counts something beyond the chosen reading. Less is no contradiction: the beginning of a stream, or one of
    several steps."""
    return any(other.counters.get(name, 0) > chosen.counters.get(name, 0) for name in (*REQUIRED_COUNTERS, *PRICED_PARTS))


def _counters_beyond(chosen: UsageReading, place: "_Place") -> list[str]:
    """The counters among other numbers whose values the chosen reading doesn't have."""
    known = {*chosen.read, *chosen.ignored}
    return [
        place.path + name
        for name, value in place.values.items()
        if isinstance(value, int | Decimal)
        and value not in (0, *chosen.counters.values())
        and COUNTER.search(name)
        and not NEVER_PRICED.search(name)
        and not OUTPUT_PART.search(name)
        and place.path + name not in known
    ]


def look_up(values: Any, path: str) -> Any:
    """The value under a dotted path, or None. A key that is the rest of the path, dots and all, comes first."""
    while isinstance(values, dict):
        if path in values:
            return values[path]
        step, _, path = path.partition(".")
        values = values.get(step) if path else None
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    """An object that may hold counters. `path` is put before the names in it; `is_bare`: it holds other numbers as well."""

    path: str
    values: Mapping[str, Any]
    is_bare: bool = False


def _usages(facts: Any) -> Iterator[_Place]:
    telemetry = _telemetry(facts)
    if telemetry:
        yield _Place(TELEMETRY, telemetry)
    for body_path, body in bodies(facts):
        yield from _usages_in(body, body_path)


def _metadata(facts: Any) -> Iterator[_Place]:
    """Places that are looked at last, beside the one that is read."""
    for name in METADATA if isinstance(facts, dict) else ():
        if isinstance(facts.get(name), dict):
            yield _Place(f"{name}.", dict(leaves(facts[name])), is_bare=True)


def bodies(facts: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in the facts that may be the body of a reply, with their paths."""
    for path, first_step in BODY_STEPS if isinstance(facts, dict) else ():
        if path and first_step not in facts and path not in facts:
            continue
        body = look_up(facts, path) if path else facts
        if isinstance(body, dict):
            yield path, body


def _usages_in(body: dict[str, Any], body_path: str) -> Iterator[_Place]:
    for usage_path, first_step in FIRST_STEPS:
        if usage_path and first_step not in body and usage_path not in body:
            continue
        usage = look_up(body, usage_path) if usage_path else body
        if isinstance(usage, dict) and usage:
            path = "".join(f"{part}." for part in (body_path, usage_path) if part)
            yield _Place(path, usage, is_bare=usage_path in MIXED_OBJECTS)


def _telemetry(facts: Any) -> dict[str, Any]:
    """OpenTelemetry's attributes."""
    places = [look_up(facts, path) if path else facts for path in ATTRIBUTES]
    items = [item for place in places if isinstance(place, dict) for item in place.items()]
    found = {name.removeprefix(TELEMETRY): value for name, value in items if name.startswith(TELEMETRY)}
    for place in places:
        nested = look_up(place, TELEMETRY.rstrip("."))
        if isinstance(nested, dict):
            found |= nested
    return found


def _readings(place: _Place, *, provider: Provider | None, bad: list[BadQuantity]) -> Iterator[UsageReading]:
    """The readings of a place in each way that fits, made when they are asked for; the problems of ways that fail are added to `bad`."""
    # OpenTelemetry's attributes may be named as a provider's counters and count otherwise: caches are a part of the input.
    for extractor in (None,) if place.path == TELEMETRY else (*_extractors(provider.id if provider else ""), None):
        try:
            reading = _by_names(place) if extractor is None else _by_extractor(extractor, place)
        except BadQuantity as problem:
            bad.append(problem)
        else:
            if reading is not None:
                yield reading


@cache
def _extractors(provider_id: str) -> tuple[UsageExtractor, ...]:
    """The provider's own first, so that of two equal readings its own is taken."""
    providers = {provider.id: provider for provider in data_snapshot.get_snapshot().providers}
    ids = dict.fromkeys((provider_id, *FALLBACK_PROVIDERS))
    return tuple(extractor for each in ids if each in providers for extractor in providers[each].extractors or ())


def _by_extractor(extractor: UsageExtractor, place: _Place) -> UsageReading | None:
    usage = place.values
    root = [extractor.root] if isinstance(extractor.root, str) else list(extractor.root)
    inner: Any = as_generate_content(usage) if root[0] == "usageMetadata" else usage
    below = _below_usage(root)
    for step in below:
        inner = inner.get(step) if isinstance(inner, dict) and isinstance(step, str) else None
    if not isinstance(inner, dict):
        return None
    counters: dict[str, Any] = {}
    read: dict[str, Any] = {}
    if any(mapping.required and _leaf(inner, mapping.path)[1] is None for mapping in extractor.mappings):
        return None
    for mapping in extractor.mappings:
        leaf, value = _leaf(inner, mapping.path)
        if value is not None:
            counters[mapping.dest] = counters.get(mapping.dest, 0) + _quantity(value, mapping.dest, path=place.path + leaf)
            read[leaf] = value
    if not read:
        return None
    _add_up_cache(counters, mappings=extractor.mappings)
    # xAI counts reasoning beside the completion, and who passes its replies on within it; the total tells.
    reasoning = counters.get("output_reasoning_tokens", 0)
    if reasoning and counters["output_tokens"] > reasoning and _total(place, counters)[0] == -reasoning and _adds_details(extractor):
        counters["output_tokens"] -= reasoning
    beside = (
        {}
        if inner is usage or root[0] == "usageMetadata"
        else {leaf: value for leaf, value in leaves(usage) if "token" not in leaf.lower()}
    )
    if below:
        place = replace(place, path=f"{place.path}{'.'.join(below)}.")
    return _reading(counters, read, dict(leaves(inner, texts=True)) | beside, place=place)


def _adds_details(extractor: UsageExtractor) -> bool:
    """Whether the output is what the usage calls so and one of its details."""
    return any(mapping.dest == "output_tokens" and not isinstance(mapping.path, str) for mapping in extractor.mappings)


def _by_names(place: _Place) -> UsageReading | None:
    counters: dict[str, Any] = {}
    read: dict[str, Any] = {}
    for counter, name in ((counter, name) for counter, names in NAMES.items() for name in names):
        value = look_up(place.values, name)
        if value is None or isinstance(value, dict):
            continue
        quantity = _quantity(value, counter, path=place.path + name)
        if counters.setdefault(counter, quantity) == quantity:
            read[name] = value
    if not any(name in counters for name in REQUIRED_COUNTERS):
        return None
    _add_up_cache(counters, mappings=())
    # The Vercel AI SDK counts Gemini's thoughts beside the output; the total tells.
    thoughts = counters.get("output_reasoning_tokens", 0)
    if thoughts and _total(place, counters) == (thoughts, TOTALS[1]):
        counters["output_tokens"] += thoughts
    return _reading(counters, read, dict(leaves(place.values, texts=not place.is_bare)), place=place)


def _add_up_cache(counters: dict[str, Any], *, mappings: Sequence[Any]) -> None:
    """Some replies state what was written to a cache for five minutes and for an hour, and no sum of them, or 0 for it. It comes on top of
    the input where an extractor's mappings add the sum to the input. Raises BadQuantity for parts that are more than their sum."""
    parts, written = sum(counters.get(name, 0) for name in CACHE_WRITES), counters.get("cache_write_tokens")
    if written and parts > written:
        raise BadQuantity("cache_write_tokens")
    if written or not parts:
        return
    counters["cache_write_tokens"] = parts
    sums = [mapping.path for mapping in mappings if mapping.dest == "cache_write_tokens"]
    if any(mapping.dest == "input_tokens" and mapping.path in sums for mapping in mappings):
        counters["input_tokens"] += parts


def _total(place: _Place, counters: Mapping[str, Any]) -> tuple[int, str]:
    """By how much the stated total is more than input and output together, and its name."""
    for name in TOTALS:
        total = place.values.get(name)
        if isinstance(total, int) and not isinstance(total, bool):
            return total - sum(counters.get(counter, 0) for counter in REQUIRED_COUNTERS), name
    return 0, ""


def _reading(counters: dict[str, Any], read: Mapping[str, Any], leaves: Mapping[str, Any], *, place: _Place) -> UsageReading:
    cached = {counters.get("cache_read_tokens"), counters.get("cache_write_tokens")}
    ignored, unpriced = [], []
    for leaf, value in leaves.items():
        if leaf in read or not _may_be_priced(leaf, is_bare=place.is_bare):
            continue
        # Some replies state a cached quantity a second time under another name.
        if "cache" in leaf.lower() and value in cached:
            continue
        ignored.append(place.path + leaf)
        if value != 0:
            unpriced.append(place.path + leaf)
    more, total = _total(place, counters)
    if more > 0:
        # Gemini counts thoughts in the total alone, where it answers in OpenAI's form.
        ignored.append(place.path + total)
        unpriced.append(place.path + total)
    return UsageReading(counters, [place.path + leaf for leaf in read], ignored, unpriced)


@lru_cache(maxsize=10_000)
def _may_be_priced(leaf: str, *, is_bare: bool) -> bool:
    return not NEVER_PRICED.search(leaf) and not (is_bare and not COUNTER.search(leaf))


def _below_usage(root: Sequence[Any]) -> list[Any]:
    """The steps of an extractor's root below the usage object: ["billed_units"] for ["usage", "billed_units"]."""
    steps = list(root)
    while steps and steps[0] in {"result", "response"}:
        steps.pop(0)
    return steps[1:]


def _leaf(values: Any, path: Any) -> tuple[str, Any]:
    """The dotted path that a mapping of an extractor names, and the value there, or None."""
    if isinstance(path, str):
        return path, values.get(path)
    leaf = []
    for step in path:
        name, values = _step(values, step)
        leaf.append(name)
    return ".".join(leaf), values


def _step(values: Any, step: Any) -> tuple[str, Any]:
    """The name and value one step down a path. `step`: a name in an object, or an ArrayMatch, which picks the first matching item."""
    if not isinstance(step, ArrayMatch):
        return step, values.get(step) if isinstance(values, dict) else None
    items = (
        [item for item in values if isinstance(item, dict) and isinstance(item.get(step.field), str)] if isinstance(values, list) else []
    )
    found = step.extract(items)
    if found is None:
        return "", None
    return str(next(place for place, item in enumerate(values) if item is found)), found


def leaves(values: Any, prefix: str = "", *, texts: bool = False) -> Iterator[tuple[str, Any]]:
    """The numbers in an object, with their dotted paths. With `texts` also what is written as a text and looks like a number, and what a
    counter has instead of a number."""
    items = values.items() if isinstance(values, dict) else ((str(place), item) for place, item in enumerate(values))
    for name, value in items:
        if isinstance(value, dict | list):
            yield from leaves(value, f"{prefix}{name}.", texts=texts)
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            yield f"{prefix}{name}", value
        elif texts and isinstance(value, str) and NUMBER_TEXT.match(value):
            yield f"{prefix}{name}", int(value) if DIGITS.match(value) else value
        elif texts and value is True and COUNTER.search(name):
            yield f"{prefix}{name}", value


def _quantity(value: Any, counter: str, *, path: str) -> Any:
    """A counter's value. All but seconds are whole numbers, perhaps written as texts. Raises BadQuantity."""
    if isinstance(value, str) and DIGITS.match(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < AMOUNT_LIMIT:
        raise BadQuantity(path)
    if value == int(value):
        return int(value)
    if not counter.endswith("seconds"):
        raise BadQuantity(path)
    return value
