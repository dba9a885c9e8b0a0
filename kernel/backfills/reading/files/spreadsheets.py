"""XLSX: the rows of one sheet, each cell as the text that a CSV file would have. Formulas are refused."""

import datetime
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from kernel.backfills.errors import BadSource
from kernel.backfills.reading.files.parquet import plain_decimal
from kernel.backfills.reading.files.records import Layout, Record, TypedText, csv_line

# Bytes, unpacked. A reader holds all texts of a workbook at once, so their size is bounded.
MAX_TEXTS_BYTES = 256 * 1024 * 1024
TEXTS = "xl/sharedStrings.xml"
ROWS_TAG = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}sheetData"
# What openpyxl, and the XML and zip readers below it, raise for damaged files; it has no base class of its own.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, SyntaxError),
    *(LookupError, ValueError, TypeError, AttributeError),
)


class SheetFile:
    """One sheet of a workbook. It is opened anew where it is read."""

    def __init__(self, path: Path, *, layout: Layout) -> None:
        self.path, self.layout, self.line = path, layout, 0
        _check_size(path)
        rows = self._rows()
        names = [_text(self.path, cell).strip() for cell in next(rows, (0, ()))[1]]
        rows.close()
        while names and not names[-1]:
            names.pop()
        if not names:
            raise BadSource(f"{path} is empty: the first row of the sheet must name the columns.")
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise BadSource(f"{path}: the header names {', '.join(map(repr, repeated))} more than once.")
        self.header = names

    def close(self) -> None:
        """Nothing is open between two readings."""

    def records(self, *, offset: int, line: int) -> Iterator[Record]:
        """`offset` is the number of a row."""
        width, rows = len(self.header), self._rows()
        next(rows, None)
        for number, cells in rows:
            self.line = number
            if number <= offset:
                continue
            texts = [_text(self.path, cell) for cell in cells]
            if not any(texts):
                continue
            while len(texts) > width and not texts[-1]:
                texts.pop()
            texts += [""] * (width - len(texts))
            yield Record(line=number, end_line=number, end=number, raw=csv_line(texts), fields=texts)

    def _rows(self) -> Generator[tuple[int, tuple[Any, ...]]]:
        """Each row's number and cells, from the header onwards."""
        import openpyxl  # noqa: PLC0415 - slow to import
        import openpyxl.worksheet._reader  # noqa: PLC0415

        book = _opened(openpyxl, self.path)
        try:
            sheet = self._sheet(book)
            with sheet._get_source() as source:
                for number, cells in _parsed_rows(openpyxl, book, sheet, source):
                    if number > self.layout.skip_lines:
                        yield number, cells
        except DAMAGE as error:
            raise BadSource(f"{self.path}: the sheet is damaged or cut off: {error}.") from error
        finally:
            book.close()

    def _sheet(self, book: Any) -> Any:
        if not self.layout.sheet:
            return book.worksheets[0]
        if self.layout.sheet not in book.sheetnames:
            raise BadSource(f"{self.path} has no sheet {self.layout.sheet!r}. It has: {', '.join(book.sheetnames)}.")
        return book[self.layout.sheet]


def _parsed_rows(openpyxl: Any, book: Any, sheet: Any, source: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Each row's number and cells. As openpyxl's own loop, but rows that were read are dropped from the tree, which else grows with each;
    and the size that a program wrote into the sheet, which may be wrong, isn't asked for.
    """
    reader = openpyxl.worksheet._reader
    dates = {"date_formats": book._date_formats, "timedelta_formats": book._timedelta_formats}
    parser = reader.WorkSheetParser(source, sheet._shared_strings, data_only=book.data_only, epoch=book.epoch, **dates)
    rows = None
    for event, element in reader.iterparse(source, events=("start", "end")):
        if element.tag == ROWS_TAG:
            rows = element
        elif event == "end" and element.tag == reader.ROW_TAG and rows is not None:
            number, cells = parser.parse_row(element)
            yield number, sheet._get_row(cells, 1, None)
            rows.clear()


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as packed:
            size = next((member.file_size for member in packed.infolist() if member.filename == TEXTS), 0)
    except zipfile.BadZipFile as error:
        raise BadSource(f"{path} is no XLSX file, or is cut off: {error}.") from error
    except OSError as error:
        raise BadSource(f"{path}: {error.strerror}.") from error
    if size > MAX_TEXTS_BYTES:
        raise BadSource(f"{path}: its texts take {size:,} bytes, more than {MAX_TEXTS_BYTES:,}. Save the sheet as CSV.")


def _opened(openpyxl: Any, path: Path) -> Any:
    try:
        return openpyxl.load_workbook(path, read_only=True)
    except DAMAGE as error:
        raise BadSource(f"{path} is no XLSX file that can be read: {error}.") from error


def _text(path: Path, cell: Any) -> str:
    """The text of a cell. Raises BadSource for a formula."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        raise BadSource(f"{path}: cell {cell.coordinate} is a formula. Save the sheet with values only (copy, paste as values), or as CSV.")
    if isinstance(value, bool):
        return TypedText("true" if value else "false")
    if isinstance(value, int | float):
        # A spreadsheet computes with 15 digits and shows no more; the rest are remnants of binary fractions.
        return plain_decimal(str(value) if isinstance(value, int) else f"{value:.15g}")
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time() and "h" not in (cell.number_format or "").lower()
        return TypedText(value.date().isoformat() if is_day else value.isoformat(sep=" "))
    if isinstance(value, datetime.date | datetime.time):
        return TypedText(value.isoformat())
    return str(value)
