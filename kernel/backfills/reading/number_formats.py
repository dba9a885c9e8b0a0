"""How a file writes its amounts: decimal and thousands separators, a scale, exponents, parentheses for negative amounts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cached_property
from typing import Any

import msgspec

from kernel.backfills.reading.columns import NUMBERS, Column, Invalid, quoted
from kernel.backfills.reading.files.records import TypedText
from kernel.ledger.money import PLACES

# Exact for every product of an accepted number and an accepted scale.
EXACT = Context(prec=200)
# A number of more digits than that is refused before it is written out: 1e999999999 would take a gigabyte.
MAX_EXPONENT = 40
SMALLEST = Decimal(10) ** -PLACES


@dataclass(frozen=True)
class NumberFormat:
    """`scale` multiplies every amount: 0.01 for amounts in cents."""

    decimal: str = "."
    thousands: str = ""
    scale: str = "1"
    has_exponents: bool = False
    has_parentheses: bool = False
    # Whether more decimals than the ledgers keep are rounded half to even, instead of refused.
    is_rounded: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "decimal": self.decimal,
            "thousands": self.thousands,
            "scale": self.scale,
            "has_exponents": self.has_exponents,
            "has_parentheses": self.has_parentheses,
            "is_rounded": self.is_rounded,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "NumberFormat":
        return cls(**stored)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        grouped = rf"\d{{1,3}}(?:{re.escape(self.thousands)}\d{{3}})+|" if self.thousands else ""
        exponent = r"(?:[eE][+-]?\d{1,3})?" if self.has_exponents else ""
        return re.compile(rf"[+-]?(?:{grouped}\d+)(?:{re.escape(self.decimal)}\d+)?{exponent}", re.ASCII)

    def to_plain(self, written: str) -> str:
        """The amount as a plain decimal such as -1234.56. Raises Invalid."""
        is_negative = self.has_parentheses and written[:1] == "(" and written[-1:] == ")"
        number = written[1:-1] if is_negative else written
        if not self.pattern.fullmatch(number) or (is_negative and number[0] in "+-"):
            raise Invalid(f"must be a number such as {self._example()}, not {quoted(written)}")
        if self.thousands:
            number = number.replace(self.thousands, "")
        return self._scaled(("-" if is_negative else "") + number.replace(self.decimal, ".").removeprefix("+"), written)

    def scale_plain(self, written: str) -> str:
        """A number of JSON, a spreadsheet or Parquet, whose form the format itself fixes. Raises Invalid."""
        if not replace(self, decimal=".", thousands="").pattern.fullmatch(written):
            raise Invalid(f"must be a plain number, not {quoted(written)}")
        return self._scaled(written, written)

    def _scaled(self, number: str, written: str) -> str:
        scale = Decimal(self.scale)
        if scale == 1 and not self.is_rounded and number.lstrip("-").replace(".", "").isdigit():
            return number
        value = Decimal(number)
        if abs(value.adjusted()) > MAX_EXPONENT:
            raise Invalid(f"has too many digits: {quoted(written)}")
        scaled = EXACT.multiply(value, scale)
        return f"{scaled.quantize(SMALLEST, ROUND_HALF_EVEN, EXACT) if self.is_rounded else scaled:f}"

    def _example(self) -> str:
        return f"1{self.thousands}234{self.decimal}56"


def with_number_format(column: Column, format: NumberFormat) -> Column:
    """The column, with amounts read in this format; columns that hold no amount are returned unchanged."""
    if format == NumberFormat() or column.read not in NUMBERS:
        return column

    def read(value: str) -> Decimal:
        amount: Decimal = column.read(format.scale_plain(value) if isinstance(value, TypedText) else format.to_plain(value))
        return amount

    def read_json(raw: bytes) -> Decimal | None:
        if raw == b"null":
            return None
        amount: Decimal = read(msgspec.json.decode(raw)) if raw[:1] == b'"' else column.read(format.scale_plain(raw.decode()))
        return amount

    return Column(column.name, read, required=column.required, help=column.help, from_json=read_json)
