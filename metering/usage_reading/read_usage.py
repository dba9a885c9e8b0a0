"""Reads the usage that a provider's reply or an SDK reports: which counters there are, what they mean, and which were not understood.

Providers' own bodies are read by the extractors of genai-prices. Several SDKs (LangChain, the Vercel AI SDK, LiteLLM, OpenTelemetry,
Ollama) report in forms of their own, which counter_names lists. A body is read in every way that fits it, and the way that leaves the
fewest counters unread is taken. Counters come out as genai-prices counts them: cached, audio and reasoning tokens are parts of input or
output.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import Any

from genai_prices.types import Provider

from metering.usage_reading.counter_extraction import (
    BadQuantity,
    CounterObject,
    UsageReading,
    as_quantity,
    as_reading,
    look_up,
    numeric_leaves,
    readings,
)
from metering.usage_reading.counter_names import (
    ALL_STEPS,
    ATTRIBUTES,
    BODIES,
    BODY_NAMES,
    COUNTER,
    DIGITS,
    METADATA,
    MIXED_OBJECTS,
    NEVER_PRICED,
    OUTPUT_PART,
    PRICED_PARTS,
    REQUIRED_COUNTERS,
    TELEMETRY,
    TOKEN_NAME,
    TOTALS,
    USAGE_NAMES,
    USAGES,
)

TELEMETRY_STEPS = tuple(prefix.partition(".")[0] for prefix in TELEMETRY)


def read_usage(facts: Any, *, provider: Provider | None, has_input_only: bool = False) -> UsageReading | None:
    """The usage that facts report, read in the way that leaves the fewest counters unread; None where there is none.

    `provider`: whose model it is; its own forms come first. `has_input_only`: the model only reads, so that a total is the input. Raises
    BadQuantity.
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
        return _by_total(places) if has_input_only else None
    others = [(place, _best_reading(place, provider=provider, bad=bad)) for place in places if place is not chosen and not place.is_bare]
    best = next((other for _, other in others if other is not None and _is_fuller(other, best)), best)
    beside = [place.path.rstrip(".") for place, other in others if other is not None and _counts_more(other, best)]
    if not chosen.path.endswith(f"{ALL_STEPS}."):
        same_body = [(place, other) for place, other in others if other is not None and place.body == chosen.body]
        beside += [place.path.rstrip(".") for place, other in same_body if _differs(other, best)]
    beside += [path for place in places if place is not chosen and place.is_bare for path in _counters_beyond(best, place)]
    beside += [path for _, other in others if other is not None for path in _unread(other, best)]
    beside += [path for path in dict.fromkeys(map(str, bad)) if path not in {*best.read, *best.ignored}]
    return best._replace(ignored=[*best.ignored, *beside], unpriced=[*best.unpriced, *beside]) if beside else best


def _unread(other: UsageReading, chosen: UsageReading) -> list[str]:
    """What another place counts that isn't understood, unless it is the chosen reading or repeats one of its numbers."""
    read = {*chosen.read, *chosen.ignored}
    return [path for path in other.unpriced if path not in read and other.numbers.get(path) not in chosen.counters.values()]


def _by_total(places: Sequence[CounterObject]) -> UsageReading | None:
    """The usage of a model that only reads, of which the reply states the total alone, as Voyage does."""
    for place, name in product((place for place in places if not place.is_bare), TOTALS):
        total = look_up(place.values, name)
        if total is not None and not isinstance(total, dict):
            counters = {"input_tokens": as_quantity(total, "input_tokens", path=place.path + name)}
            return as_reading(counters, {name: total}, dict(numeric_leaves(place.values, texts=True)), place=place)
    return None


def _best_reading(place: CounterObject, *, provider: Provider | None, bad: list[BadQuantity]) -> UsageReading | None:
    """The reading of a place that leaves the fewest counters unread, the first of equal ones. The counters that are no quantities, and that
    it doesn't read in another way, are added to `bad`."""
    best: UsageReading | None = None
    problems: list[BadQuantity] = []
    for reading in readings(place, provider=provider, bad=problems):
        if best is None or len(reading.unpriced) < len(best.unpriced):
            best = reading
        if not best.unpriced:
            break
    read = best.read if best is not None else []
    bad += [problem for problem in problems if not any(path == str(problem) or path.startswith(f"{problem}.") for path in read)]
    # Not before: a reading that leaves a counter out to which another one contradicts is no better.
    if best is not None and best.contradictions:
        numbers = {**best.numbers, **{name: best.counters.get(name) for name in best.contradictions}}
        ignored, unpriced = [*best.ignored, *best.contradictions], [*best.unpriced, *best.contradictions]
        best = best._replace(ignored=ignored, unpriced=unpriced, numbers=numbers)
    return best


def _is_fuller(other: UsageReading, chosen: UsageReading) -> bool:
    """Whether another place says the same of input and output, and more of what is a part of them."""
    is_same = all(other.counters.get(name, 0) == chosen.counters.get(name, 0) for name in REQUIRED_COUNTERS)
    return is_same and not other.unpriced and _counts_more(other, chosen) and not _counts_more(chosen, other)


def _counts_more(other: UsageReading, chosen: UsageReading) -> bool:
    """Whether another place counts something beyond the chosen reading. Less in another body is no contradiction: it is the beginning of a
    stream, or one of several steps."""
    return any(other.counters.get(name, 0) > chosen.counters.get(name, 0) for name in (*REQUIRED_COUNTERS, *PRICED_PARTS))


def _differs(other: UsageReading, chosen: UsageReading) -> bool:
    """Whether another place of the same body counts less than the chosen reading, and not only because it leaves out what is cached, or was
    thought."""
    counters = chosen.counters
    read, written, thought = (counters.get(name, 0) for name in ("cache_read_tokens", "cache_write_tokens", "output_reasoning_tokens"))
    left_out = {"input_tokens": {0, read, written, read + written}, "output_tokens": {0, thought}}
    both = [name for name in REQUIRED_COUNTERS if other.counters.get(name) and name in counters]
    return any(counters[name] - other.counters[name] not in left_out[name] for name in both)


def _counters_beyond(chosen: UsageReading, place: CounterObject) -> list[str]:
    """The counters among other numbers whose values the chosen reading doesn't have."""
    known = {*chosen.read, *chosen.ignored}
    return [
        place.path + name
        for name, value in place.values.items()
        if (isinstance(value, int | Decimal) or (isinstance(value, str) and DIGITS.match(value) and not TOKEN_NAME.search(name)))
        and int(value) not in (0, *chosen.counters.values())
        and COUNTER.search(name)
        and not NEVER_PRICED.search(name)
        and not OUTPUT_PART.search(name)
        and place.path + name not in known
    ]


def _usages(facts: Any) -> Iterator[CounterObject]:
    yield from _telemetry(facts)
    for body_path, body in bodies(facts):
        yield from _usages_in(body, body_path)


def _metadata(facts: Any) -> Iterator[CounterObject]:
    """Places that are looked at last, beside the one that is read."""
    for name in METADATA if isinstance(facts, dict) else ():
        if isinstance(facts.get(name), dict):
            yield CounterObject(f"{name}.", dict(numeric_leaves(facts[name])), is_bare=True)


def bodies(facts: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in the facts that may be the body of a reply, with their paths."""
    for path in _paths_among(BODIES, BODY_NAMES.intersection(facts)) if isinstance(facts, dict) else ():
        body = look_up(facts, path) if path else facts
        if isinstance(body, dict):
            yield path, body


@lru_cache(maxsize=1_000)
def _paths_among(paths: Sequence[str], names: frozenset[str]) -> tuple[str, ...]:
    """Those of `paths` that may lead into an object which has, of their first steps, `names`; in order. The empty path always does."""
    return tuple(path for path in paths if not path or path in names or path.partition(".")[0] in names)


def _usages_in(body: dict[str, Any], body_path: str) -> Iterator[CounterObject]:
    for usage_path in _paths_among(USAGES, USAGE_NAMES.intersection(body)):
        usage = look_up(body, usage_path) if usage_path else body
        if isinstance(usage, dict) and usage:
            path = "".join(f"{part}." for part in (body_path, usage_path) if part)
            yield CounterObject(path, usage, is_bare=usage_path in MIXED_OBJECTS, body=body_path)


def _telemetry(facts: Any) -> Iterator[CounterObject]:
    """OpenTelemetry's attributes."""
    if isinstance(facts, dict) and ATTRIBUTES[1] not in facts and not [name for name in facts if name.startswith(TELEMETRY_STEPS)]:
        return
    objects = [values for path in ATTRIBUTES if isinstance(values := look_up(facts, path) if path else facts, dict)]
    for prefix in TELEMETRY:
        found = {name.removeprefix(prefix): value for values in objects for name, value in values.items() if name.startswith(prefix)}
        nested = (look_up(values, prefix.rstrip(".")) for values in objects)
        found |= {name: value for values in nested if isinstance(values, dict) for name, value in values.items()}
        if found:
            yield CounterObject(prefix, found)
