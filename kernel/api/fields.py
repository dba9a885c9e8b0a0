"""The kinds of values in bodies, queries and replies.

A field reads a JSON value (`parse`) or a parameter (`parse_text`), writes a value for a reply (`plain`) and has a JSON schema (`schema`).
It is strict: what it doesn't take raises `Refused` with a code.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from rest_framework.fields import Field as RestField
from rest_framework.fields import empty

from kernel.api.json import STRING, JsonNumber, RawJson, Source, microseconds, milliseconds, nesting_depth
from kernel.api.problems import Refused
from kernel.ledger.moments import FIRST_DAY, LAST_DAY, is_in_range
from kernel.ledger.money import is_currency
from kernel.ledger.texts import invisible_edge

BIGINT = 2**63 - 1
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)\Z",
    re.ASCII,
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)


class Field(RestField):
    """The base class of all fields.

    `required`, `allow_null` and `default` as in REST framework; an optional field that is absent reads as its default, else None.
    `wire_name`: the name in JSON, where it differs from what the dialect makes of the declared one. `description` and `example` go to the
    schema. `omitted`: an optional field that a reply leaves out when it is absent, in an API that otherwise writes null.
    """

    # The type that msgspec checks before `parse` gets the value; with Raw, `parse_raw` gets the bytes instead.
    fast_type: Any = None
    # The code for a value of another JSON type; a null that isn't allowed carries it as the fact `expected`.
    type_code = "not_text"

    def __init__(
        self, *, wire_name: str | None = None, description: str = "", example: Any = empty, omitted: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.wire_name = wire_name
        self.omitted = omitted
        self.description = description
        self.example = example

    def parse(self, value: Any, source: Source | None = None) -> Any:
        """The Python value of a JSON value that isn't null. Raises Refused, or Invalid with relative paths for nested bodies."""
        raise NotImplementedError

    def parse_raw(self, raw: bytes) -> Any:
        """The same for the bytes of one JSON value, where `fast_type` is Raw. May refuse more than `parse`, never accept more."""
        raise NotImplementedError

    def parse_text(self, text: str) -> Any:
        """The same for a value from a query string."""
        return self.parse(text)

    def plain(self, value: Any) -> Any:
        """The form of a value (not None) in a reply: something msgspec can encode, Raw for text that is JSON already."""
        return value

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a value that isn't null."""
        raise NotImplementedError

    def written_schema(self) -> dict[str, Any]:
        """The same for a value in a reply."""
        return self.schema()

    def to_internal_value(self, data: Any) -> Any:
        return self.parse(data)

    def to_representation(self, value: Any) -> Any:
        return self.plain(value)


def storable(text: str) -> str:
    """The text, if PostgreSQL can hold it. Raises Refused (unstorable_text) for NUL and lone surrogates."""
    if "\x00" in text:
        raise Refused("unstorable_text")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Refused("unstorable_text") from error
    return text


def text_of(value: Any) -> str:
    """The value, if it is a JSON string that can be stored. Raises Refused: not_text, unstorable_text."""
    if not isinstance(value, str) or isinstance(value, RawJson):
        raise Refused("not_text")
    return storable(value)


class Text(Field):
    """A string, neither trimmed nor converted. Lengths in characters.

    `is_key`: it identifies something, so that an invisible character at either end is refused (invisible_edge).
    """

    def __init__(
        self, *, min_length: int = 0, max_length: int | None = None, pattern: str | None = None, is_key: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.is_key = is_key
        self.min_length = min_length
        self.max_length = max_length
        self.pattern = pattern
        self._matches = re.compile(pattern.removesuffix("$") + r"\Z", re.ASCII).match if pattern else None
        self.fast_type = Annotated[str, msgspec.Meta(min_length=min_length, max_length=max_length)]

    def parse(self, value: Any, source: Source | None = None) -> str:
        text = text_of(value)
        if len(text) < self.min_length:
            raise Refused("too_short", min=self.min_length)
        if self.max_length is not None and len(text) > self.max_length:
            raise Refused("too_long", max=self.max_length)
        return self.checked(text)

    def checked(self, text: str) -> str:
        """The text, after what its fast_type doesn't check. Raises Refused: invisible_edge, text_syntax."""
        if self.is_key and (character := invisible_edge(text)):
            raise Refused("invisible_edge", character=character)
        if self._matches is not None and not self._matches(text):
            raise Refused("text_syntax", pattern=self.pattern)
        return text

    def schema(self) -> dict[str, Any]:
        limits = {"minLength": self.min_length or None, "maxLength": self.max_length, "pattern": self.pattern}
        return {"type": "string"} | {name: limit for name, limit in limits.items() if limit is not None}


class Choice(Field):
    """One of a few strings, written exactly so."""

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = tuple(str(choice) for choice in choices)
        self.fast_type = Literal[self.choices]

    def parse(self, value: Any, source: Source | None = None) -> str:
        text = text_of(value)
        if text not in self.choices:
            raise Refused("unknown_choice", choices=list(self.choices))
        return text

    def plain(self, value: Any) -> str:
        return str(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices)}


class Currency(Field):
    """An ISO 4217 code in upper case."""

    fast_type = str

    def parse(self, value: Any, source: Source | None = None) -> str:
        text = text_of(value)
        if not is_currency(text):
            raise Refused("unknown_currency")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[A-Z]{3}$"}


class Identifier(Field):
    """A UUID in its usual form of 36 characters."""

    fast_type = str

    def parse(self, value: Any, source: Source | None = None) -> UUID:
        text = text_of(value)
        if not _UUID.match(text):
            raise Refused("bad_uuid")
        return UUID(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}


class Boolean(Field):
    """true or false; in a query string also 1 and 0."""

    fast_type = bool
    type_code = "not_boolean"
    _WORDS = {"true": True, "1": True, "false": False, "0": False}

    def parse(self, value: Any, source: Source | None = None) -> bool:
        if not isinstance(value, bool):
            raise Refused("not_boolean")
        return value

    def parse_text(self, text: str) -> bool:
        if text not in self._WORDS:
            raise Refused("not_boolean")
        return self._WORDS[text]

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Integer(Field):
    """A whole number: JSON digits without fraction or exponent."""

    fast_type = int
    type_code = "not_a_number"

    def __init__(self, *, min_value: int = -BIGINT, max_value: int = BIGINT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min_value = min_value
        self.max_value = max_value

    def parse(self, value: Any, source: Source | None = None) -> int:
        if isinstance(value, JsonNumber | float):
            raise Refused("not_whole")
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused("not_a_number")
        if value < self.min_value:
            raise Refused("too_small", min=self.min_value)
        if value > self.max_value:
            raise Refused("too_large", max=self.max_value)
        return value

    def parse_text(self, text: str) -> int:
        if not re.match(r"-?[0-9]{1,30}\Z", text):
            raise Refused("not_whole")
        return self.parse(int(text))

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.min_value, "maximum": self.max_value}


def _out_of_range(*, is_expiry: bool) -> Refused:
    return Refused("expiry_out_of_range" if is_expiry else "moment_out_of_range", min=FIRST_DAY, max=LAST_DAY)


class Timestamp(Field):
    """An RFC 3339 moment with its offset, as an aware datetime in UTC; digits finer than a microsecond are cut off.

    Moments outside of `kernel.ledger.moments` are refused (moment_out_of_range). `days`: also accept a bare date, read as its first moment
    in UTC. `is_expiry`: an optional end, whose refusal says how to have none. Written with milliseconds, or microseconds where `fine`.
    """

    fast_type = str

    def __init__(self, *, days: bool = False, fine: bool = False, is_expiry: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.days = days
        self.fine = fine
        self.is_expiry = is_expiry

    def parse(self, value: Any, source: Source | None = None) -> datetime:
        text = text_of(value)
        if self.days and _DAY.match(text):
            text += "T00:00:00Z"
        found = _MOMENT.match(text)
        if not found:
            raise Refused("bad_timestamp")
        day, time, fraction, offset = found.groups()
        offset = "+00:00" if offset in "Zz" else offset
        try:
            moment = datetime.fromisoformat(f"{day}T{time}.{(fraction or '0')[:6]:0<6}{offset}").astimezone(UTC)
        except OverflowError as error:
            # Years 1 and 9999 fall out of Python's calendar when an offset is taken off.
            raise _out_of_range(is_expiry=self.is_expiry) from error
        except ValueError as error:
            raise Refused("bad_timestamp") from error
        if not is_in_range(moment):
            raise _out_of_range(is_expiry=self.is_expiry)
        return moment

    def plain(self, value: datetime) -> str:
        return microseconds(value) if self.fine else milliseconds(value)

    def schema(self) -> dict[str, Any]:
        if self.days:
            return {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
        return {"type": "string", "format": "date-time"}


class Day(Field):
    """A calendar day, `2024-01-31`, in the range of `kernel.ledger.moments`. In a reply also a moment, whose day in UTC is written.

    `is_expiry`: an optional end, whose refusal says how to have none.
    """

    fast_type = str

    def __init__(self, *, is_expiry: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_expiry = is_expiry

    def parse(self, value: Any, source: Source | None = None) -> date:
        text = text_of(value)
        try:
            if not _DAY.match(text):
                raise Refused("bad_day")
            day = date.fromisoformat(text)
        except ValueError as error:
            raise Refused("bad_day") from error
        if not is_in_range(day):
            raise _out_of_range(is_expiry=self.is_expiry)
        return day

    def plain(self, value: date) -> str:
        return value.astimezone(UTC).date().isoformat() if isinstance(value, datetime) else value.isoformat()

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date"}


class JsonObject(Field):
    """A customer's own object, kept as its text: key for key, digit for digit. Read as RawJson; written unchanged.

    Refused, because the database couldn't give it back or compute with it: NUL and lone surrogates (unstorable_text), more levels than
    `max_depth` (too_deep), exponents beyond 999 (number_out_of_range), NaN, Infinity (not_finite), over `max_size` bytes (too_long).
    """

    fast_type = msgspec.Raw
    type_code = "not_json_object"
    MAX_EXPONENT = 999
    # Two patterns: as one they take six times as long, because a search for it can't skip to the next digit.
    _NO_NUMBER = re.compile(r"-?(?:NaN|Infinity)")
    _LONG_EXPONENT = re.compile(r"[0-9][eE][+-]?0*[1-9][0-9]{3}")
    _AS_EXPONENTS = bytes.maketrans(b"123456789E", b"000000000e")  # With its sign left out, a long exponent reads `0e0000` then.
    _UNSTORABLE = re.compile(r"\\(?:u0000|u[dD][89a-fA-F])")

    def __init__(self, *, max_size: int = 65_536, max_depth: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_size = max_size
        self.max_depth = max_depth

    def parse(self, value: Any, source: Source | None = None) -> RawJson:
        if not isinstance(value, dict):
            raise Refused("not_json_object")
        if source is None:
            raise TypeError("A JSON object is kept as its text: it can be read from a body only.")
        return self._checked(source.raw)

    def parse_raw(self, raw: bytes) -> RawJson:
        if raw[:1] != b"{":
            raise Refused("not_json_object")
        return self._checked(raw.decode())

    def plain(self, value: str) -> msgspec.Raw:
        return msgspec.Raw(value.encode())

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": True}

    def _checked(self, text: str) -> RawJson:
        if len(text) * 4 > self.max_size and len(text.encode(errors="surrogatepass")) > self.max_size:
            raise Refused("too_long", max=self.max_size)
        if "\\u" in text:
            self._check_escapes(text)
        storable(text)
        # A search for the exponent takes ten times as long in a document without one.
        may_be_long = b"0e0000" in text.encode().translate(self._AS_EXPONENTS, b"+-")
        if may_be_long or "NaN" in text or "Infinity" in text or text.count("{") + text.count("[") > self.max_depth:
            self._check_bare(STRING.sub("", text))
        return RawJson(text)

    def _check_escapes(self, text: str) -> None:
        if self._UNSTORABLE.search(text):
            for string in _strings(json.loads(text)):
                storable(string)

    def _check_bare(self, bare: str) -> None:
        """`bare` is the text without its strings, so that what is found is a number or a bracket."""
        if self._NO_NUMBER.search(bare):
            raise Refused("not_finite")
        if self._LONG_EXPONENT.search(bare):
            raise Refused("number_out_of_range", max=self.MAX_EXPONENT)
        if nesting_depth(bare) > self.max_depth:
            raise Refused("too_deep", max=self.max_depth)


def _strings(value: Any) -> Iterator[str]:
    """Every string and key within a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _strings(item)
