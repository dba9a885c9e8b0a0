"""Digests of facts, by which a repeated call with the same idempotency key is recognised as a replay or a conflict.

A row stores a digest of the facts that its caller gave: eight bytes for each fact, in an order fixed by the ledger. Equal bytes mean a
replay; unequal ones show which facts differ. A fact that the caller left out is eight zero bytes, so that leaving it out counts too. A
ledger that gets a new fact appends it to its order: a shorter, older digest then reads as "was not given". idempotency.py decides by
them between replay and conflict when posting; the plan of a backfill and the integrity checks compare them too.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType, NoneType
from typing import Any
from uuid import UUID

import msgspec

SIZE = 8
ABSENT = bytes(SIZE)
CACHED_TEXT_LENGTH = 64
# Of these types equal values have equal digests. Not of numbers: 1, True and Decimal(1) are equal, and no one fact.
COMPARED_BY_VALUE = (NoneType, str, datetime, UUID)
encode = msgspec.json.Encoder(order="deterministic").encode


def digest(facts: Mapping[str, Any], names: Sequence[str], *, forms: Mapping[str, Callable[[Any], Any]] = MappingProxyType({})) -> bytes:
    """Eight bytes for each of `names`, in that order; facts outside `names` don't count.

    `forms`: for facts that aren't compared by their own value, what makes the compared value of it, which may be None: as absent.
    """
    places = _places(tuple(names))
    parts = [ABSENT] * len(places)
    # Most facts are absent: they cost no call of a function.
    for name, value in facts.items():
        if value is None or (place := places.get(name)) is None:
            continue
        form = forms.get(name)
        compared = value if form is None else form(value)
        if type(compared) is str and len(compared) <= CACHED_TEXT_LENGTH:
            parts[place] = _short(compared)
        elif compared is not None:
            parts[place] = _hash(compared)
    return b"".join(parts)


def digests(
    many: Sequence[Mapping[str, Any]], names: Sequence[str], *, forms: Mapping[str, Callable[[Any], Any]] = MappingProxyType({})
) -> list[bytes]:
    """The digest of each of many facts, as `digest` makes it. Faster for many: a value that all of them have is hashed once."""
    columns = [_parts([facts.get(name) for facts in many], forms.get(name)) for name in names]
    return [b"".join(parts) for parts in zip(*columns, strict=True)]


def _parts(values: Sequence[Any], form: Callable[[Any], Any] | None) -> list[bytes]:
    """The eight bytes of each value of one fact."""
    if values and isinstance(values[0], COMPARED_BY_VALUE) and values.count(values[0]) == len(values):
        values, times = values[:1], len(values)
    else:
        times = 1
    of_texts: dict[str, bytes] = {}
    parts = []
    for value in values:
        compared = value if form is None or value is None else form(value)
        if compared is None:
            part = ABSENT
        elif type(compared) is not str:
            part = _hash(compared)
        elif (known := of_texts.get(compared)) is not None:
            part = known
        else:
            part = of_texts[compared] = _hash(compared)
        parts.append(part)
    return parts * times


@functools.cache
def _places(names: tuple[str, ...]) -> dict[str, int]:
    """Where each fact of a ledger's order stands."""
    return {name: place for place, name in enumerate(names)}


def differing_facts(names: Sequence[str], first: bytes, second: bytes) -> list[str]:
    """The names of the facts in which two digests differ, in the ledger's order."""
    return [
        name
        for number, name in enumerate(names)
        if (first[number * SIZE : (number + 1) * SIZE] or ABSENT) != (second[number * SIZE : (number + 1) * SIZE] or ABSENT)
    ]


@functools.lru_cache(maxsize=4096)
def _short(text: str) -> bytes:
    """Cached: names of services, units and kinds repeat."""
    return _hash(text)


def _hash(value: Any) -> bytes:
    return hashlib.blake2b(_canonical(value), digest_size=SIZE).digest()


def _canonical(value: Any) -> bytes:
    """The same bytes for the same fact: 1.50 and 1.5 are one amount, two spellings of an instant are one instant."""
    if isinstance(value, Decimal):
        return f"{value.normalize() + 0:f}".encode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().encode()
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return encode(value)
