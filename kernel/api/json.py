"""Parses and renders JSON without losing a digit: numbers never pass through a float, and every rendered value is valid JSON.

This is the slow, exact parser; fast_reader.py reads ordinary bodies.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from kernel.api.problems import RequestRefused

# Deeper bodies are refused: PostgreSQL's parser and Python's both recurse, and their own limits depend on the depth of the call stack.
MAX_DEPTH = 256
# Python refuses to read longer integers (sys.int_info.default_max_str_digits); the fast path must not be more generous.
MAX_INTEGER_DIGITS = 4300
# What a body may hold, counted in its text, inside strings too: to parse a value takes a hundred times as long as to receive
# it, and all other calls of the process wait meanwhile. A batch may hold ten times as much.
MAX_CONTAINERS, MAX_COMMAS, MAX_QUOTES = 20_000, 200_000, 400_000
STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS_OR_QUOTES = bytes(byte for byte in range(256) if byte not in b'[]{}"')
# So often innermost brackets are removed before the depth is counted.
_REMOVALS = 16
_SPACE = re.compile(r"[ \t\n\r]*")


class RawJson(str):
    """JSON text that is rendered unchanged."""

    __slots__ = ()


class JsonNumber(RawJson):
    """A number with fraction or exponent, as it was written."""

    __slots__ = ()


@dataclass(frozen=True)
class Source:
    """The position of a parsed value in valid JSON text, so that a customer's object can be stored character for character."""

    text: str
    start: int
    end: int

    @property
    def raw(self) -> str:
        return self.text[self.start : self.end]

    @cached_property
    def parts(self) -> dict[Any, "Source"]:
        """The members of an object by key (of equal keys the last, as the parser has it), or the items of a list by index."""
        found: dict[Any, Source] = {}
        is_object = self.text[self.start] == "{"
        position = self._skip(self.start + 1)
        while self.text[position] not in "]}":
            key: Any = len(found)
            if is_object:
                key, position = _scan_string(self.text, position + 1, True)  # noqa: FBT003 - a C function's own signature
                position = self._skip(self._skip(position) + 1)
            end = _DECODER.raw_decode(self.text, position)[1]
            found[key] = Source(self.text, position, end)
            position = self._skip(end)
            if self.text[position] == ",":
                position = self._skip(position + 1)
        return found

    def part(self, key: Any) -> "Source":
        return self.parts[key]

    def _skip(self, position: int) -> int:
        return _SPACE.match(self.text, position).end()  # type: ignore[union-attr]


_scan_string: Callable[[str, int, bool], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]
_DECODER = json.JSONDecoder(parse_float=JsonNumber)


def nesting_depth(brackets: Iterable[str]) -> int:
    """How deeply arrays and objects are nested, from JSON text without its strings; anything beyond MAX_DEPTH is MAX_DEPTH + 1."""
    depth = deepest = 0
    for character in brackets:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
        if depth < 0 or deepest > MAX_DEPTH:
            break
    return deepest


def check_complexity(raw: bytes, *, is_batch: bool) -> None:
    """Raises RequestRefused (unreadable_body) for a body of more values than can be parsed without delaying other calls.

    Checked before anything is parsed: a compressed body of 3 kB can hold half a million arrays.
    """
    factor = 10 if is_batch else 1
    if len(raw) <= MAX_CONTAINERS:
        return
    containers, commas, quotes = raw.count(b"[") + raw.count(b"{"), raw.count(b","), raw.count(b'"')
    if containers > MAX_CONTAINERS * factor or commas > MAX_COMMAS * factor or quotes > MAX_QUOTES * factor:
        raise RequestRefused("unreadable_body", reason="complexity")


def _brackets_outside_strings(raw: bytes) -> bytes:
    """The brackets between every other quote, once the escapes are removed. Two quotes with no bracket between them make no difference."""
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    brackets_and_quotes = unescaped.translate(None, _NOT_BRACKETS_OR_QUOTES).replace(b'""', b"")
    return b"".join(brackets_and_quotes.split(b'"')[::2])


def is_too_deep(raw: bytes) -> bool:
    """True if anything is nested deeper than MAX_DEPTH. Fast for long, shallow bodies, because it runs for every large one."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _brackets_outside_strings(raw)
    rest = brackets
    for _ in range(_REMOVALS):
        rest = rest.replace(b"{}", b"").replace(b"[]", b"")
        if not rest:
            return False
    return nesting_depth(brackets.decode()) > MAX_DEPTH


def parse_exact(raw: bytes) -> tuple[Any, Source]:
    """The parsed value and its source. Fractions and exponents stay JsonNumber; NaN and Infinity become floats.

    Raises RequestRefused: malformed_json with the position and reason of Python's parser, or unreadable_body.
    """
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
    except UnicodeDecodeError as error:
        raise RequestRefused("unreadable_body", reason="encoding") from error
    if is_too_deep(raw if text.isascii() else text.encode(errors="surrogatepass")):
        raise RequestRefused("unreadable_body", reason="depth")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise RequestRefused("malformed_json", position=error.pos, reason=error.msg) from error
    except RecursionError as error:
        raise RequestRefused("unreadable_body", reason="depth") from error
    except ValueError as error:
        raise RequestRefused("unreadable_body", reason="digits") from error
    start = _SPACE.match(text).end()  # type: ignore[union-attr]
    return value, Source(text, start, len(text.rstrip(" \t\n\r")))


def plain_digits(amount: Decimal) -> str:
    """The digits of a finite Decimal, without exponent."""
    return f"{amount:f}"


@lru_cache(maxsize=4096)
def milliseconds(moment: datetime) -> str:
    """`2024-01-01T00:00:00.000Z`; further digits are cut off. Cached: one moment occurs many times in a reply."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def microseconds(moment: datetime) -> str:
    """`2024-01-01T00:00:00.000000Z`: the precision of the database."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def to_json(value: Any) -> bytes:
    """Any value as JSON. NaN and Infinity become null, lone surrogates are escaped, raw JSON is embedded unchanged."""
    return _text(value).encode()


def _text(value: Any) -> str:
    for kind, write in _FORMS:
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON.")


def _quoted(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return json.dumps(text, ensure_ascii=False)


def _number(value: float | Decimal) -> str:
    if not math.isfinite(value):
        return "null"
    return plain_digits(value) if isinstance(value, Decimal) else repr(value)


def _object(value: Mapping[Any, Any]) -> str:
    return "{" + ",".join(f"{_quoted(str(key))}:{_text(item)}" for key, item in value.items()) + "}"


def _list(value: Iterable[Any]) -> str:
    return "[" + ",".join(_text(item) for item in value) + "]"


# The first kind that fits counts: a RawJson is also a str, a bool an int, a datetime a date.
_FORMS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (RawJson, str),
    (str, _quoted),
    (bool | None, json.dumps),
    (int, lambda value: str(int(value))),
    (float | Decimal, _number),
    (UUID, lambda value: f'"{value}"'),
    (datetime, lambda value: f'"{milliseconds(value)}"'),
    (date, lambda value: f'"{value.isoformat()}"'),
    (Mapping, _object),
    (list | tuple | set | frozenset, _list),
)
