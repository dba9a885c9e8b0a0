"""Writes rows as CSV and as Excel workbooks: with every digit, without formulas, and in constant memory."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from kernel.ledger.exports.formula_escaping import BYTE_ORDER_MARK, escape_formula
from kernel.ledger.money import trimmed_digits, with_thousands

# Excel stores a double and shows fifteen digits of it.
EXCEL_DIGITS = 15
EXCEL_ROWS = 1_048_576
EXCEL_TEXT = 32_767
# Excel knows no earlier dates; they are text.
FIRST_EXCEL_YEAR = 1901
# The width of columns, in characters: a moment has nineteen.
MIN_WIDTH, MAX_WIDTH = 20, 40
# Rows that are written together.
CHUNK = 1000


class Echo:
    """A file object whose write() returns the text, for csv.writer."""

    def write(self, text: str) -> str:
        return text


def cell(value: Any) -> str | Decimal | int | bool:
    """A value as a cell: numbers stay numbers, times are ISO 8601 in UTC, everything else is text."""
    if value is None:
        return ""
    if isinstance(value, bool | int | Decimal):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)


def is_exact_in_excel(amount: Decimal) -> bool:
    """Whether a double holds every digit of the amount, and Excel shows it."""
    digits = trimmed_digits(abs(amount)).replace(".", "").strip("0")
    return len(digits) <= EXCEL_DIGITS and Decimal(repr(float(amount))) == amount


def csv_lines(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The file in pieces, each of many lines."""
    writer = csv.writer(Echo())
    piece = [BYTE_ORDER_MARK, writer.writerow(headers)]
    for row in rows:
        piece.append(writer.writerow([_csv_cell(value) for value in row]))
        if len(piece) >= CHUNK:
            yield "".join(piece)
            piece = []
    yield "".join(piece)


def _csv_cell(value: Any) -> str:
    shown = cell(value)
    if isinstance(shown, str):
        return escape_formula(shown)
    return trimmed_digits(shown) if isinstance(shown, Decimal) else str(shown)


def write_excel(
    path: Path,
    headers: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    moved: Callable[[int], None],
    title: str = "",
    units: Sequence[Sequence[int] | None] = (),
) -> int:
    """Write a workbook, row by row to the disk; `moved` is called with the number of rows written. Returns how many there were.

    `title`: of the sheet. `units`: of each column of amounts, the places of the columns that may have the row's unit; None for others.
    """
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    count = 0
    with xlsxwriter.Workbook(str(path), options) as book:
        formats, units = Formats(book), [*units, *[None] * (len(headers) - len(units))]
        sheet, line = None, EXCEL_ROWS
        for row in rows:
            if sheet is None or line >= EXCEL_ROWS:
                sheet, line = _new_sheet(book, headers, formats, title), 1
            _write_row(sheet, line, row, formats, units)
            line, count = line + 1, count + 1
            if count % CHUNK == 0:
                moved(count)
        if sheet is None:
            _new_sheet(book, headers, formats, title)
    return count


class Formats:
    """The formats of cells: an amount has at least the decimals of its currency, and all that it has."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.bold = book.add_format({"bold": True})
        self.moments = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.days = book.add_format({"num_format": "yyyy-mm-dd"})
        self.amounts: dict[str, Any] = {}

    def of_amount(self, amount: Decimal, unit: str) -> Any:
        places = len(with_thousands(amount, unit).partition(".")[2])
        pattern = f"#,##0.{'0' * places}" if places else "#,##0"
        if pattern not in self.amounts:
            self.amounts[pattern] = self.book.add_format({"num_format": pattern})
        return self.amounts[pattern]


def _new_sheet(book: Any, headers: Sequence[str], formats: Formats, title: str) -> Any:
    # Excel's names have at most 31 characters, without these, and no apostrophe at their ends.
    name = re.sub(r"[\[\]:*?/\\]", " ", title).strip(" '")[:26].strip(" '")
    number = len(book.worksheets()) + 1
    sheet = book.add_worksheet((f"{name[:1].upper()}{name[1:]}" + (f" {number}" if number > 1 else "")) if name else None)
    sheet.freeze_panes(1, 0)
    for column, header in enumerate(headers):
        sheet.set_column(column, column, min(max(len(header) + 2, MIN_WIDTH), MAX_WIDTH))
    sheet.write_row(0, 0, headers, formats.bold)
    return sheet


def _write_row(sheet: Any, line: int, row: Sequence[Any], formats: Formats, units: Sequence[Sequence[int] | None]) -> None:
    for column, value in enumerate(row):
        places = units[column]
        unit = None if places is None else next((str(row[place]) for place in places if row[place]), "")
        _write_cell(sheet, (line, column), value, formats, unit)


def _write_cell(sheet: Any, place: tuple[int, int], value: Any, formats: Formats, unit: str | None) -> None:
    """`unit`: of an amount, empty where it isn't known; None for other values."""
    shown = cell(value)
    if isinstance(value, datetime) and value.year >= FIRST_EXCEL_YEAR:
        sheet.write_datetime(*place, value.astimezone(UTC).replace(tzinfo=None), formats.moments)
    elif isinstance(value, date) and value.year >= FIRST_EXCEL_YEAR:
        sheet.write_datetime(*place, value, formats.days)
    elif isinstance(shown, bool):
        sheet.write_boolean(*place, shown)
    elif isinstance(shown, str):
        # A cell of text is never run as a formula, whatever it begins with: it needs no apostrophe.
        sheet.write_string(*place, shown[:EXCEL_TEXT])
    elif not is_exact_in_excel(Decimal(shown)):
        # As text: a double would lose digits.
        sheet.write_string(*place, trimmed_digits(Decimal(shown)))
    else:
        sheet.write_number(*place, float(shown), formats.of_amount(Decimal(shown), unit) if unit is not None else None)
