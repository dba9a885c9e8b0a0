"""Readers of columns: each makes a value of a text or of raw JSON, or raises Invalid with the reason."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from kernel.ledger.moments import FIRST_DAY, LAST_DAY, is_in_range
from kernel.ledger.money import AMOUNT_LIMIT, PLACES, is_currency, is_plain_decimal
from kernel.ledger.texts import invisible_edge, is_invisible

# What datetime.fromisoformat reads without help: nearly every value.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_OFFSET = re.compile(r" ?(?:(UTC|GMT|Z)|([+-]\d\d)(?::?(\d\d))?)\Z", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_text_decoder = msgspec.json.Decoder(str)
JSON_DEPTH = 100
DAY_LENGTH = len("2026-01-31")
M = TypeVar("M", date, datetime)


class Invalid(ValueError):
    """The column refuses this value; the text says why."""


@dataclass(frozen=True)
class Column:
    """One column of a backfill's file. `read` makes a value of its text.

    `from_json` reads raw JSON, for columns that accept other JSON values than strings (a number as money, an object).
    """

    name: str
    read: Callable[[str], Any]
    required: bool = False
    help: str = ""
    from_json: Callable[[bytes], Any] | None = None

    def read_json(self, raw: Any) -> Any:
        """The value of raw JSON; None for null. Raises Invalid."""
        if self.from_json is not None:
            return self.from_json(bytes(raw))
        try:
            return self.read(_text_decoder.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError):
            if bytes(raw) == b"null":
                return None
            raise Invalid("must be a JSON string") from None

    @property
    def api_name(self) -> str:
        """The column's name in the APIs: grantId for grant_id."""
        first, *others = self.name.split("_")
        return first + "".join(part.title() for part in others)


def text(*, at_most: int) -> Callable[[str], str]:
    """Text of at most `at_most` characters, without NUL and lone surrogates, which PostgreSQL can't store."""

    def read(value: str) -> str:
        if len(value) > at_most:
            raise Invalid(f"has {len(value)} characters, at most {at_most} are allowed")
        if not value.isascii():
            _check_unicode(value)
        if "\x00" in value:
            raise Invalid("holds a NUL character")
        return value

    return read


def key_text(*, at_most: int) -> Callable[[str], str]:
    """Text that identifies a row. Refuses invisible characters at its edges: files joined by hand have them, and they make another key."""
    read_text = text(at_most=at_most)

    def read(value: str) -> str:
        if (edge := invisible_edge(value)) is not None:
            raise Invalid(f"begins or ends with the invisible character {edge}: {quoted(value)}")
        return read_text(value)

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    known = frozenset(choices)

    def read(value: str) -> str:
        if value not in known:
            raise Invalid(f"must be one of {', '.join(choices)}, not {quoted(value)}")
        return value

    return read


def money(value: str) -> Decimal:
    """A decimal of at most 18 places and under 10^18 in magnitude: ASCII digits, no exponent, no separators."""
    if not is_plain_decimal(value):
        raise Invalid(f"must be a plain decimal such as 12.50, not {quoted(value)}")
    amount = Decimal(value)
    if len(value.partition(".")[2]) > PLACES and amount != round(amount, PLACES):
        raise Invalid(f"has more than {PLACES} decimals")
    if abs(amount) >= AMOUNT_LIMIT:
        raise Invalid("is 10^18 or more")
    return amount


def positive_money(value: str) -> Decimal:
    amount = money(value)
    if amount <= 0:
        raise Invalid(f"must be above zero, not {quoted(value)}")
    return amount


def positive_or_zero(value: str) -> Decimal:
    amount = money(value)
    if amount < 0:
        raise Invalid(f"must not be negative, as {quoted(value)} is")
    return amount


# The readers of amounts, which --decimal and the other options of numbers apply to.
NUMBERS = (money, positive_money, positive_or_zero)


def money_from_json(read: Callable[[str], Decimal]) -> Callable[[bytes], Decimal | None]:
    """Reads a JSON number by its digits, never through a float, and a JSON string as CSV text."""

    def from_json(raw: bytes) -> Decimal | None:
        if raw == b"null":
            return None
        if raw[:1] == b'"':
            return read(_text_decoder.decode(raw))
        return read(raw.decode())

    return from_json


def currency(value: str) -> str:
    if not is_currency(value):
        raise Invalid(f"must be an ISO 4217 code in upper case, not {quoted(value)}")
    return value


def moment(value: str) -> datetime:
    """A moment with its UTC offset: Z, UTC, +02:00, +0200 or +02. A date alone means midnight UTC."""
    return moment_in(value, None)


def moment_in(value: str, zone: tzinfo | None) -> datetime:
    """A moment; one without an offset, or a date alone, is in `zone`. Raises Invalid, also for a local time that came twice or never."""
    if _MOMENT.match(value):
        local, offset = (value[:-1], "+00:00") if value[-1] == "Z" else (value[:-6], value[-6:])
    elif _DATE.match(value):
        local, offset = value, "" if zone is not None else "+00:00"
    else:
        written = _OFFSET.search(value, 10)
        local = value if written is None else value[: written.start()]
        offset = "" if written is None else "+00:00" if written[1] else f"{written[2]}:{written[3] or '00'}"
        if not _LOCAL.match(local) or (not offset and zone is None):
            form = "a time" if zone is not None else "a time with its UTC offset"
            hint = "" if offset or not _LOCAL.match(value) else ". Without an offset it needs --timezone"
            raise Invalid(f"must be {form} such as 2026-01-31T12:00:00Z, or a date, not {quoted(value)}{hint}")
    try:
        if offset:
            instant = datetime.fromisoformat(f"{local}T00:00:00{offset}" if len(local) == DAY_LENGTH else local + offset).astimezone(UTC)
        else:
            instant = _in_zone(datetime.fromisoformat(local), zone, value).astimezone(UTC)
    except Invalid:
        raise
    except (ValueError, OverflowError):
        raise Invalid(f"is no moment of the calendar: {quoted(value)}") from None
    return _in_range(instant, value)


def _in_zone(read: datetime, zone: tzinfo | None, value: str) -> datetime:
    """A local time in a zone. When clocks are set back an hour comes twice, and when they are set forward one never comes."""
    first, second = read.replace(tzinfo=zone), read.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        came = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == read
        why = "came twice, as clocks were set back: write its offset" if came else "never came, as clocks were set forward"
        raise Invalid(f"{why}: {quoted(value)} in {zone}")
    return first


def day(value: str) -> date:
    if not _DATE.match(value):
        raise Invalid(f"must be a date such as 2026-01-31, not {quoted(value)}")
    try:
        read = date.fromisoformat(value)
    except ValueError:
        raise Invalid(f"is no day of the calendar: {quoted(value)}") from None
    return _in_range(read, value)


def _in_range(read: M, value: str) -> M:
    if not is_in_range(read):
        raise Invalid(f"must lie between {FIRST_DAY} and {LAST_DAY}: {quoted(value)}")
    return read


def identifier(value: str) -> UUID:
    try:
        if len(value) == 36:
            return UUID(value)
    except ValueError:
        pass
    raise Invalid(f"must be a UUID, not {quoted(value)}")


def flag(value: str) -> bool:
    if value not in {"true", "false"}:
        raise Invalid(f"must be true or false, not {quoted(value)}")
    return value == "true"


def flag_from_json(raw: bytes) -> bool | None:
    return None if raw == b"null" else flag(raw.decode())


def whole_number(*, lowest: int, highest: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 10 and lowest <= int(value) <= highest):
            raise Invalid(f"must be a whole number from {lowest} to {highest}, not {quoted(value)}")
        return int(value)

    return read


def whole_from_json(lowest: int, highest: int) -> Callable[[bytes], int | None]:
    read = whole_number(lowest=lowest, highest=highest)
    return lambda raw: None if raw == b"null" else read(raw.decode().strip('"'))


def digest_text(value: str) -> str:
    """The digest of a row's facts as an export writes it: hexadecimal, eight bytes for each fact."""
    if not value or len(value) % 16 or not value.isascii() or any(letter not in "0123456789abcdef" for letter in value):
        raise Invalid(f"is no digest of facts: {quoted(value)}")
    return value


def json_text(value: str) -> str:
    """A JSON object; its text is kept unchanged."""
    return _checked_json(value.encode("utf-8", "surrogateescape")) or ""


def json_from_json(raw: bytes) -> str | None:
    """A JSON object, or a string that contains one: an export writes objects with line breaks as strings."""
    if raw[:1] == b'"':
        return json_text(_text_decoder.decode(raw))
    return None if raw == b"null" else _checked_json(raw)


def _checked_json(raw: bytes) -> str:
    try:
        written = raw.decode()
        decoded = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"is no JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise Invalid("must be a JSON object")
    if b"\\u0000" in raw or b"\\ud" in raw.lower():
        _check_storable(decoded)
    return written


def _check_storable(value: Any, depth: int = 0) -> None:
    """Check the texts of a JSON value for NUL and lone surrogates, which JSON can write and PostgreSQL can't store. Raises Invalid."""
    if depth > JSON_DEPTH:
        raise Invalid("is nested too deep")
    if isinstance(value, str):
        text(at_most=len(value))(value)
    elif isinstance(value, dict):
        for name, part in value.items():
            _check_storable(name)
            _check_storable(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check_storable(part, depth + 1)


def _check_unicode(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid("is not valid UTF-8") from None


def quoted(value: str) -> str:
    """A value for a message: shortened, in quotes, invisible characters as escapes."""
    return f"'{escaped(value if len(value) <= 40 else value[:37] + '...')}'"


def escaped(value: str) -> str:
    r"""The value with invisible and unprintable characters as escapes such as \u00a0, as --map-value reads them."""
    return "".join(letter if letter == " " or (letter.isprintable() and not is_invisible(letter)) else _escape(letter) for letter in value)


def _escape(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
