"""The ways to read an object of counters: by the extractors of genai-prices, which know providers' own bodies, and by the names that SDKs
give to counters. Counters come out as genai-prices counts them: cached, audio and reasoning tokens are parts of input or output.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import genai_prices
from genai_prices import data_snapshot
from genai_prices.types import ArrayMatch, Provider, UsageExtractor

from kernel.ledger.money import AMOUNT_LIMIT
from metering.usage_reading.counter_names import (
    BESIDE_INPUT,
    BESIDE_TOTAL,
    BREAKDOWNS,
    CACHE_WRITES,
    CHARACTERS,
    COUNTER,
    COUNTER_NAME,
    COUNTER_NAMES,
    DIGITS,
    FALLBACK_PROVIDERS,
    NAMES,
    NEVER_PRICED,
    NUMBER_TEXT,
    REQUIRED_COUNTERS,
    SHORT_NAMES,
    TELEMETRY,
    TOKEN_NAME,
    TOTALS,
    WHOLES,
)
from metering.usage_reading.google_usage import as_generate_content, unknown_modalities

NAME_STEPS = frozenset(step for names in NAMES.values() for name in names for step in (name, name.partition(".")[0]))


class BadQuantity(Exception):
    """A counter isn't a quantity. Its text is the counter's path."""


class UsageReading(NamedTuple):
    """`read` and `ignored`: paths of counters in the facts. `unpriced`: those of `ignored` that may cost something; `numbers`: what is at
    their paths. `contradictions`: paths of totals that are less than what they sum up, and counters that are more than their whole."""

    counters: dict[str, Any]
    read: list[str]
    ignored: list[str]
    unpriced: list[str]
    numbers: Mapping[str, Any] = MappingProxyType({})
    contradictions: Sequence[str] = ()

    @property
    def usage(self) -> Any:
        return genai_prices.Usage(**self.counters)


class CounterObject(NamedTuple):
    """An object that may hold counters. `path` is put before the names in it; `is_bare`: it holds other numbers as well; `body`: the path
    of the body that it is in."""

    path: str
    values: Mapping[str, Any]
    is_bare: bool = False
    body: str = ""


def look_up(values: Any, path: str) -> Any:
    """The value under a dotted path, or None. A key that is the rest of the path, dots and all, comes first."""
    while isinstance(values, dict):
        if path in values:
            return values[path]
        step, _, path = path.partition(".")
        values = values.get(step) if path else None
    return None


def readings(place: CounterObject, *, provider: Provider | None, bad: list[BadQuantity]) -> Iterator[UsageReading]:
    """The readings of a place in each way that fits, made when they are asked for; the problems of ways that fail are added to `bad`."""
    # OpenTelemetry's attributes may be named as a provider's counters and count otherwise: caches are a part of the input.
    for extractor in (None,) if place.path in TELEMETRY else _extractors(provider.id if provider else ""):
        try:
            reading = _by_names(place) if extractor is None else _by_extractor(extractor, place)
        except BadQuantity as problem:
            bad.append(problem)
        else:
            if reading is not None:
                yield reading


class _Extractor(NamedTuple):
    """An extractor of genai-prices. `below`: the steps of its root below the usage object. `mappings`: of each counter its name and the
    steps of its path; `required`: such paths. `sums_cache`: what was written to a cache comes on top of its input. `adds_details`: the
    output is what the usage calls so and one of its details. `beside_total`: parts of its output that the stated total doesn't count."""

    is_google: bool
    below: tuple[Any, ...]
    mappings: tuple[tuple[str, tuple[Any, ...]], ...]
    required: tuple[tuple[Any, ...], ...]
    sums_cache: bool
    adds_details: bool
    beside_total: tuple[str, ...]


@cache
def _extractors(provider_id: str) -> tuple[_Extractor | None, ...]:
    """The provider's own first, so that of two equal readings its own is taken; None, which stands for NAMES, last."""
    providers = {provider.id: provider for provider in data_snapshot.get_snapshot().providers}
    ids = dict.fromkeys((provider_id, *FALLBACK_PROVIDERS))
    return (*(_extractor(each) for one in ids if one in providers for each in providers[one].extractors or ()), None)


def _extractor(extractor: UsageExtractor) -> _Extractor:
    root = [extractor.root] if isinstance(extractor.root, str) else list(extractor.root)
    paths = [(mapping.path,) if isinstance(mapping.path, str) else tuple(mapping.path) for mapping in extractor.mappings]
    mappings = tuple((mapping.dest, path) for mapping, path in zip(extractor.mappings, paths, strict=True))
    sums = [path for counter, path in mappings if counter == "cache_write_tokens"]
    return _Extractor(
        is_google=root[0] == "usageMetadata",
        below=tuple(_below_usage(root)),
        mappings=mappings,
        required=tuple(path for mapping, path in zip(extractor.mappings, paths, strict=True) if mapping.required),
        sums_cache=any(counter == "input_tokens" and path in sums for counter, path in mappings),
        adds_details=any(mapping.dest == "output_tokens" and not isinstance(mapping.path, str) for mapping in extractor.mappings),
        beside_total=BESIDE_TOTAL if BESIDE_TOTAL[0] in dict(mappings) else (),
    )


def _by_extractor(extractor: _Extractor, place: CounterObject) -> UsageReading | None:
    usage = place.values
    inner: Any = as_generate_content(usage) if extractor.is_google else usage
    for step in extractor.below:
        inner = inner.get(step) if isinstance(inner, dict) and isinstance(step, str) else None
    if not isinstance(inner, dict):
        return None
    counters: dict[str, Any] = {}
    read: dict[str, Any] = {}
    for path in extractor.required:
        if inner.get(path[0]) is None or (len(path) > 1 and _leaf(inner, path)[1] is None):
            return None
    for counter, path in extractor.mappings:
        leaf, value = path[0], inner.get(path[0])
        # Most aren't there, or have one step.
        if value is not None and len(path) > 1:
            leaf, value = _leaf(inner, path)
        if value is not None:
            counters[counter] = counters.get(counter, 0) + as_quantity(value, counter, path=place.path + leaf)
            read[leaf] = value
    if not read:
        return None
    _add_up_cache(counters, is_part_of_input=not extractor.sums_cache)
    # xAI counts reasoning beside the completion, and who passes its replies on within it; the total tells.
    reasoning = counters.get("output_reasoning_tokens", 0)
    if reasoning and counters["output_tokens"] > reasoning and _total(place, counters)[0] == -reasoning and extractor.adds_details:
        counters["output_tokens"] -= reasoning
    beside = (
        {}
        if inner is usage or extractor.is_google
        else {leaf: value for leaf, value in numeric_leaves(usage) if "token" not in leaf.lower()}
    )
    if extractor.below:
        place = place._replace(path=f"{place.path}{'.'.join(extractor.below)}.")
    uncounted = sum([counters.get(counter, 0) for counter in extractor.beside_total]) if extractor.beside_total else 0
    return as_reading(counters, read, dict(numeric_leaves(inner, texts=True)) | beside, place=place, beside_total=uncounted)


def _by_names(place: CounterObject) -> UsageReading | None:
    counters: dict[str, Any] = {}
    read: dict[str, Any] = {}
    for counter, name in _names(place):
        value = look_up(place.values, name)
        if value is None or isinstance(value, dict):
            continue
        quantity = as_quantity(value, counter, path=place.path + name)
        is_first = counter not in counters
        if counters.setdefault(counter, quantity) == quantity:
            read[name] = value
        if is_first and BESIDE_INPUT.search(name):
            counters["input_tokens"] = counters.get("input_tokens", 0) + quantity
    if not any(name in counters for name in REQUIRED_COUNTERS):
        spoken = next((name for name in CHARACTERS if place.values.get(name) is not None), None)
        if spoken is None:
            return None
        read = {spoken: place.values[spoken]}
        counters = {"input_characters": as_quantity(place.values[spoken], "input_characters", path=place.path + spoken)}
    _add_up_cache(counters, is_part_of_input=True)
    # The Vercel AI SDK counts Gemini's thoughts beside the output; the total tells.
    thoughts = counters.get("output_reasoning_tokens", 0)
    if thoughts and _total(place, counters) == (thoughts, TOTALS[1]):
        counters["output_tokens"] += thoughts
    numbers = dict(numeric_leaves(place.values, texts=not place.is_bare))
    if place.is_bare:
        numbers |= _texts_of_counters(place.values)
    return as_reading(counters, read, numbers, place=place)


def _texts_of_counters(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is written as a text and by its name a counter, among other values. Not what these hold: a model's output has tokens too."""
    texts = {name: value for name, value in values.items() if isinstance(value, str) and COUNTER.search(name)}
    found = dict(numeric_leaves(texts, texts=True))
    return {name: value for name, value in found.items() if not TOKEN_NAME.search(name)}


def _names(place: CounterObject) -> Iterator[tuple[str, str]]:
    """What a counter may be called in a place, with the counter."""
    yield from _names_among(NAME_STEPS.intersection(place.values))
    if not place.is_bare and place.values.get("unit", "TOKENS") == "TOKENS":
        yield from SHORT_NAMES.items()


@lru_cache(maxsize=1_000)
def _names_among(steps: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """What a counter may be called in an object that has, of these names and their first steps, `steps`; in order."""
    named = ((counter, name) for counter, names in NAMES.items() for name in names)
    return tuple((counter, name) for counter, name in named if name in steps or name.partition(".")[0] in steps)


def _add_up_cache(counters: dict[str, Any], *, is_part_of_input: bool) -> None:
    """Some replies state what was written to a cache for five minutes and for an hour, and no sum of them, or 0 for it. It comes on top of
    the input unless `is_part_of_input`. Raises BadQuantity for parts that are more than their sum."""
    parts, written = sum([counters.get(name, 0) for name in CACHE_WRITES]), counters.get("cache_write_tokens")
    if written and parts > written:
        raise BadQuantity("cache_write_tokens")
    if written or not parts:
        return
    counters["cache_write_tokens"] = parts
    if not is_part_of_input:
        counters["input_tokens"] += parts


def _total(place: CounterObject, counters: Mapping[str, Any]) -> tuple[int, str]:
    """By how much the stated total, unless it is 0, is more than input and output together, and its name. Of sound that is billed by the
    second the total alone has the tokens."""
    if counters.get("audio_seconds"):
        return 0, ""
    for name in TOTALS:
        total = look_up(place.values, name)
        if isinstance(total, str) and DIGITS.match(total):
            total = int(total)
        if isinstance(total, int) and not isinstance(total, bool):
            return total and total - sum(counters.get(counter, 0) for counter in REQUIRED_COUNTERS), name
    return 0, ""


def as_reading(
    counters: dict[str, Any], read: Mapping[str, Any], leaves: Mapping[str, Any], *, place: CounterObject, beside_total: int = 0
) -> UsageReading:
    """`leaves`: the numbers of the place; `beside_total`: how much of the output the stated total doesn't count."""
    cached = {counters.get("cache_read_tokens"), counters.get("cache_write_tokens")}
    ignored, unpriced = [], []
    repeated = tuple(f"{name}." for name in BREAKDOWNS if name in place.values and _adds_up(place.values, name))
    for leaf, value in leaves.items():
        if leaf in read or (repeated and leaf.startswith(repeated)) or not _may_be_priced(leaf, is_bare=place.is_bare):
            continue
        # Some replies state a cached quantity a second time under another name.
        if "cache" in leaf.lower() and value in cached:
            continue
        ignored.append(place.path + leaf)
        if value != 0:
            unpriced.append(place.path + leaf)
    unknown = [place.path + leaf for leaf in unknown_modalities(place.values)]
    ignored, unpriced = [*ignored, *unknown], [*unpriced, *unknown]
    contradicting = _contradictions(counters)
    more, total = _total(place, counters)
    if more > 0:
        # Gemini counts thoughts in the total alone, where it answers in OpenAI's form.
        ignored.append(place.path + total)
        unpriced.append(place.path + total)
    elif more and -more not in {beside_total, counters.get("cache_read_tokens", 0) + counters.get("cache_write_tokens", 0)}:
        contradicting.append(place.path + total)
    numbers = {place.path + leaf: value for leaf, value in leaves.items()} if unpriced else {}
    return UsageReading(counters, [place.path + leaf for leaf in read], ignored, unpriced, numbers, contradicting)


def _contradictions(counters: Mapping[str, Any]) -> list[str]:
    """Counters that are more than what they are a part of; what is kept in a cache, where the parts of it that are stated are less."""
    found = [name for name, quantity in counters.items() if name in WHOLES and quantity > counters.get(WHOLES[name], quantity)]
    written = counters.get("cache_write_tokens")
    if written and 0 < sum([counters.get(name, 0) for name in CACHE_WRITES]) < written:
        found.append("cache_write_tokens")
    return found


def _adds_up(usage: Mapping[str, Any], name: str) -> bool:
    """Whether the usage is the sum of the parts that it lists under this name. A part that names its model may be another model's."""
    parts = usage[name]
    if not isinstance(parts, list) or not all(isinstance(part, dict) and "model" not in part for part in parts):
        return False
    counters = {counter for part in parts for counter, value in part.items() if isinstance(value, int) and value}
    quantities = {counter: [part.get(counter) or 0 for part in parts] for counter in counters}
    return all(all(isinstance(one, int) for one in each) and sum(each) == usage.get(counter) for counter, each in quantities.items())


@lru_cache(maxsize=10_000)
def _may_be_priced(leaf: str, *, is_bare: bool) -> bool:
    return not NEVER_PRICED.search(leaf) and not (is_bare and not COUNTER.search(leaf))


def _below_usage(root: Sequence[Any]) -> list[Any]:
    """The steps of an extractor's root below the usage object: ["billed_units"] for ["usage", "billed_units"]."""
    steps = list(root)
    while steps and steps[0] in {"result", "response"}:
        steps.pop(0)
    return steps[1:]


def _leaf(values: dict[str, Any], path: tuple[Any, ...]) -> tuple[str, Any]:
    """The dotted path that a mapping of an extractor names, and the value there, or None."""
    inner: Any = values.get(path[0])
    leaf = [path[0]]
    for step in path[1:]:
        name, inner = _step(inner, step)
        leaf.append(name)
    return ".".join(leaf), inner


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


def numeric_leaves(values: Any, prefix: str = "", *, texts: bool = False) -> Iterator[tuple[str, Any]]:
    """The numbers in an object, with their dotted paths. With `texts` also what is written as a text and looks like a number, and what a
    counter has instead of a number."""
    items = values.items() if isinstance(values, dict) else ((str(place), item) for place, item in enumerate(values))
    for name, value in items:
        if isinstance(value, dict | list):
            yield from numeric_leaves(value, f"{prefix}{name}.", texts=texts)
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            yield f"{prefix}{name}", value
        elif texts and isinstance(value, str) and NUMBER_TEXT.match(value):
            yield f"{prefix}{name}", int(value) if DIGITS.match(value) else value
        elif texts and (value is True or isinstance(value, str)) and (name in COUNTER_NAMES or COUNTER_NAME.search(name)):
            yield f"{prefix}{name}", value


def as_quantity(value: Any, counter: str, *, path: str) -> Any:
    """A counter's value. All but seconds are whole numbers, perhaps written as texts. Raises BadQuantity."""
    if isinstance(value, str) and DIGITS.match(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < AMOUNT_LIMIT:
        raise BadQuantity(path)
    if type(value) is int:
        return value
    if value == int(value):
        return int(value)
    if not counter.endswith("seconds"):
        raise BadQuantity(path)
    return value
