"""How a file writes its times: a pattern or seconds since 1970, and the time zone of those that name none."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from kernel.backfills.errors import BadSource
from kernel.backfills.reading.columns import Column, Invalid, day, moment, moment_in, quoted
from kernel.backfills.reading.files.records import TypedText
from kernel.ledger.moments import is_in_range

ISO = "iso"
# Units of a second, by the name of the format.
EPOCHS = {"epoch-s": 1, "epoch-ms": 1_000, "epoch-us": 1_000_000}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?\d{1,17}(\.\d{1,9})?", re.ASCII)
# What strptime reads and a moment needs.
_DIRECTIVES = re.compile(r"%(.)")
KNOWN_DIRECTIVES = frozenset("aAbBdmyYHIpMSfzZj%")
DAY_DIRECTIVES = frozenset("dj")


@dataclass(frozen=True)
class TimeFormat:
    """`formats`: by column, "" for all others. `timezone`: an IANA name; without it a time must name its offset."""

    formats: Mapping[str, str] = field(default_factory=dict)
    timezone: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"formats": dict(self.formats), "timezone": self.timezone}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "TimeFormat":
        return cls(**stored)

    def check(self) -> None:
        """Raises BadSource for an unknown zone or pattern."""
        zone_of(self.timezone)
        for format in self.formats.values():
            directives = set(_DIRECTIVES.findall(format))
            if format in {ISO, *EPOCHS}:
                continue
            if unknown := sorted(directives - KNOWN_DIRECTIVES):
                raise BadSource(f"--date-format {format}: %{unknown[0]} is not known. See strftime(3): %d.%m.%Y %H:%M:%S.")
            if not directives & set("yY") or not directives & DAY_DIRECTIVES:
                raise BadSource(
                    f"--date-format {format}: must be iso, {', '.join(EPOCHS)}, or a pattern with day and year: %d.%m.%Y %H:%M."
                )


def zone_of(name: str) -> tzinfo | None:
    """The named zone. Raises BadSource."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSource(
            f"--timezone {name}: there is no such time zone. Name one such as Europe/Berlin, America/New_York or UTC."
        ) from error


def with_time_format(column: Column, format: TimeFormat) -> Column:
    """The column, with times read in this format; columns that hold no time are returned unchanged."""
    if column.read not in {moment, day} or format == TimeFormat():
        return column
    pattern = format.formats.get(column.name) or format.formats.get("", ISO)
    parse = _parser(pattern, zone_of(format.timezone))

    def read(value: str) -> Any:
        instant = parse(value)
        if column.read is moment:
            return instant
        return instant.astimezone(zone_of(format.timezone) or UTC).date()

    def read_day(value: str) -> date:
        # A day that stands alone is that day in every zone.
        return day(value) if pattern == ISO and len(value) == 10 else read(value)

    def read_json(raw: bytes) -> Any:
        if raw == b"null":
            return None
        text = msgspec.json.decode(raw) if raw[:1] == b'"' else raw.decode()
        if raw[:1] != b'"' and pattern not in EPOCHS:
            raise Invalid("must be a JSON string, or --date-format must be epoch-s or epoch-ms")
        return reader(text)

    reader = read if column.read is moment else read_day
    return Column(column.name, reader, required=column.required, help=column.help, from_json=read_json)


def _parser(pattern: str, zone: tzinfo | None) -> Callable[[str], datetime]:
    def parse(value: str) -> datetime:
        if pattern == ISO or isinstance(value, TypedText):
            if pattern in EPOCHS and _NUMBER.fullmatch(value):
                return from_epoch(value, EPOCHS[pattern])
            return moment_in(value, zone)
        if pattern in EPOCHS:
            return from_epoch(value, EPOCHS[pattern])
        return from_pattern(value, pattern, zone)

    return parse


def from_epoch(value: str, units: int) -> datetime:
    """A moment from a number of seconds, or of thousandths or millionths, since 1970. Raises Invalid."""
    if not _NUMBER.fullmatch(value):
        raise Invalid(f"must be a number of {'seconds' if units == 1 else f'1/{units} seconds'} since 1970, not {quoted(value)}")
    try:
        instant = EPOCH + timedelta(microseconds=int(Decimal(value) * 1_000_000 / units))
    except OverflowError:
        raise Invalid(f"is no moment of the calendar: {quoted(value)}. Milliseconds are --date-format epoch-ms") from None
    if not is_in_range(instant):
        raise Invalid(f"is {instant.year} as a number of 1/{units} seconds: {quoted(value)}")
    return instant


def from_pattern(value: str, pattern: str, zone: tzinfo | None) -> datetime:
    """A moment by a pattern of strptime; without a zone of its own it is in `zone`. A day alone is its midnight. Raises Invalid."""
    try:
        # strptime takes digits of any script.
        read = datetime.strptime(value, pattern) if value.isascii() else None  # noqa: DTZ007 - the zone is added below
    except (ValueError, OverflowError):
        read = None
    if read is None:
        raise Invalid(f"must be a time of the form {pattern}, not {quoted(value)}")
    has_time = any(directive in pattern for directive in ("%H", "%I", "%S"))
    names_utc = "%Z" in pattern and value.upper().endswith(("UTC", "GMT", "Z"))
    if "%Z" in pattern and not names_utc and read.tzinfo is None:
        raise Invalid(f"names a zone that isn't UTC: {quoted(value)}. Write its offset, and %z in the pattern")
    return moment_in(read.replace(tzinfo=UTC).isoformat() if names_utc else _iso(read, has_time=has_time), zone)


def _iso(read: datetime, *, has_time: bool) -> str:
    return read.isoformat() if has_time or read.tzinfo is not None else read.date().isoformat()
