"""Describing an export: which columns of which rows, and the SQL that makes text of each.

Every value leaves the database as text, so no digit is lost on the way to the file.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a column holds; the SQL that makes text of it follows from this."""

    TEXT = "text"
    MONEY = "money"
    MOMENT = "moment"
    DAY = "day"
    WHOLE = "whole"
    FLAG = "flag"
    DIGEST = "digest"
    # Text of a JSON value. JSON Lines embeds it as JSON instead of quoting it.
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an export. `expression` is its SQL; empty means the column of the same name of the exported row."""

    name: str
    expression: str = ""
    kind: Kind = Kind.TEXT

    def selected(self, row: str) -> str:
        """The column in the SELECT list. `row` is the alias of the exported row."""
        value = self.expression or f"{row}.{self.name}"
        as_text = {Kind.MONEY: amount, Kind.MOMENT: moment, Kind.DIGEST: digest}.get(self.kind, text)
        return f"{as_text(value)} AS {self.name}"


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """One file: `fields` of the rows in `source`, ordered so that `command` can import them.

    `source` is the SQL after FROM; it names the tenant as %(tenant)s and the exported row by the alias `row`. `tables` lists the
    tables whose rows the file holds. An export without a `command` is for the record: nothing imports it.
    """

    name: str
    description: str
    fields: tuple[Field, ...]
    row: str
    source: str
    tables: tuple[str, ...]
    command: str | None = None

    @property
    def statement(self) -> str:
        selected = ", ".join(field.selected(self.row) for field in self.fields)
        return f"SELECT {selected} FROM {self.source}"  # noqa: S608 - made of constants


def fields(*names: str, kind: Kind = Kind.TEXT) -> tuple[Field, ...]:
    """Columns that have the same name in the export as in the table."""
    return tuple(Field(name, kind=kind) for name in names)


# Who wrote a row, when it happened and when it was posted: the last columns of every export of ledger rows.
BOOKED = (*fields("occurred_at", "created_at", kind=Kind.MOMENT), *fields("actor", "request_id"))


def text(value: str) -> str:
    return f"({value})::text"


def moment(value: str) -> str:
    """An instant in UTC, to the microsecond."""
    return f"""to_char({value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def amount(value: str) -> str:
    """A decimal without trailing zeros."""
    return f"trim_scale({value})::text"


def digest(value: str) -> str:
    return f"encode({value}, 'hex')"
