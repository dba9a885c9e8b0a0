"""Writes rows as CSV and as Excel workbooks: with every digit, without formulas, and in constant memory."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from kernel.ledger.exports.formulas import escape_formula
from kernel.ledger.money import trimmed_digits

# Excel stores a double and shows fifteen digits of it.
EXCEL_DIGITS = 15
EXCEL_ROWS = 1_048_576
EXCEL_TEXT = 32_767
# Excel knows no earlier dates; they are text.
FIRST_EXCEL_YEAR = 1901
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
    # With a byte order mark Excel reads the file as UTF-8.
    piece = ["\ufeff", writer.writerow(headers)]
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


def write_excel(path: Path, headers: Sequence[str], rows: Iterable[Sequence[Any]], *, moved: Callable[[int], None]) -> int:
    """Write a workbook, row by row to the disk; `moved` is called with the number of rows written. Returns how many there were."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    count = 0
    with xlsxwriter.Workbook(str(path), options) as book:
        bold, moments = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet, line = None, EXCEL_ROWS
        for row in rows:
            if sheet is None or line >= EXCEL_ROWS:
                sheet, line = _new_sheet(book, headers, bold), 1
            _write_row(sheet, line, row, moments)
            line, count = line + 1, count + 1
            if count % CHUNK == 0:
                moved(count)
        if sheet is None:
            _new_sheet(book, headers, bold)
    return count


def _new_sheet(book: Any, headers: Sequence[str], bold: Any) -> Any:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    sheet.write_row(0, 0, headers, bold)
    return sheet


def _write_row(sheet: Any, line: int, row: Sequence[Any], moments: Any) -> None:
    for column, value in enumerate(row):
        if isinstance(value, datetime) and value.year >= FIRST_EXCEL_YEAR:
            sheet.write_datetime(line, column, value.astimezone(UTC).replace(tzinfo=None), moments)
            continue
        shown = cell(value)
        if isinstance(shown, bool):
            sheet.write_boolean(line, column, shown)
        elif isinstance(shown, str):
            # A cell of text is never run as a formula, whatever it begins with: it needs no apostrophe.
            sheet.write_string(line, column, shown[:EXCEL_TEXT])
        elif is_exact_in_excel(Decimal(shown)):
            sheet.write_number(line, column, float(shown))
        else:
            # As text: a double would lose digits.
            sheet.write_string(line, column, trimmed_digits(Decimal(shown)))
