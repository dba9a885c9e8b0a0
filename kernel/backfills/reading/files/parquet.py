"""Parquet, ours and others': read a batch at a time, every value as the text that a CSV file would have."""

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from kernel.backfills.errors import BadSource
from kernel.backfills.reading.files.records import Layout, Record, TypedText, csv_line

BATCH_ROWS = 1000
BUFFER = 1024 * 1024
UUID_BYTES = 16
_encode = msgspec.json.Encoder(decimal_format="number").encode


class ParquetFile:
    """A Parquet file. It is opened where it is read: pyarrow's threads don't survive a fork."""

    def __init__(self, path: Path, *, layout: Layout) -> None:
        self.path, self.line = path, 0
        self.arrow = _pyarrow(path)
        with self._reports_damage(), self.arrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
        self.header = [name for name in schema.names if name not in layout.unread]
        if len(set(self.header)) != len(self.header):
            raise BadSource(f"{path}: two columns have the same name.")
        self.readers = [_reader_of(self.arrow, path, schema.field(name)) for name in self.header]

    def close(self) -> None:
        """Nothing is open between two batches."""

    def records(self, *, offset: int, line: int) -> Iterator[Record]:
        """`offset` is a number of rows."""
        with self._reports_damage(), self.arrow.parquet.ParquetFile(self.path, buffer_size=BUFFER, pre_buffer=False) as file:
            self.line = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if self.line + rows <= offset:
                    self.line += rows
                    continue
                for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], columns=self.header, use_threads=False):
                    yield from self._rows(batch, offset)

    def _rows(self, batch: Any, offset: int) -> Iterator[Record]:
        columns = [read(batch.column(batch.schema.get_field_index(name))) for name, read in zip(self.header, self.readers, strict=True)]
        for fields in zip(*columns, strict=True):
            self.line += 1
            if self.line > offset:
                yield Record(line=self.line, end_line=self.line, end=self.line, raw=csv_line(fields), fields=list(fields))

    def _reports_damage(self) -> "_Damage":
        return _Damage(self.path, self.arrow.ArrowException)


class _Damage:
    """Turns pyarrow's errors into BadSource."""

    def __init__(self, path: Path, kind: type[Exception]) -> None:
        self.path, self.kind = path, kind

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, self.kind):
            reason = str(error).splitlines()[0].rstrip(".")
            raise BadSource(f"{self.path} is no Parquet file that can be read, or is cut off: {reason}.") from error


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow  # noqa: PLC0415 - optional
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise BadSource(f"{path}: Parquet needs the package pyarrow: pip install pyarrow. Or export the file as CSV.") from error
    return pyarrow


def _reader_of(arrow: Any, path: Path, field: Any) -> Callable[[Any], list[str]]:
    """A function from a column of a batch to its texts. Raises BadSource for a type that has no text here."""
    kind, types = field.type, arrow.types
    if types.is_dictionary(kind):
        inner = _reader_of(arrow, path, field.with_type(kind.value_type))
        return lambda column: inner(column.cast(kind.value_type))
    if isinstance(kind, arrow.BaseExtensionType):
        inner = _reader_of(arrow, path, field.with_type(kind.storage_type))
        return lambda column: inner(column.storage)
    for fits, read in _readers(arrow):
        if fits(kind):
            return read
    raise BadSource(
        f"{path}: column {field.name!r} has the type {kind}, which can't be read here. Write it as text, or leave it out with"
        f" --ignore {field.name}."
    )


def _readers(arrow: Any) -> list[tuple[Callable[[Any], bool], Callable[[Any], list[str]]]]:
    types, text = arrow.types, arrow.string()
    utc = {unit: arrow.timestamp(unit, tz="UTC") for unit in ("s", "ms", "us", "ns")}

    def is_plain_text(kind: Any) -> bool:
        return any(is_a(kind) for is_a in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary))

    def is_uuid(kind: Any) -> bool:
        return types.is_fixed_size_binary(kind) and kind.byte_width == UUID_BYTES

    def is_small_decimal(kind: Any) -> bool:
        return types.is_decimal(kind)

    def texts(column: Any) -> list[str]:
        return [value or "" for value in column.cast(text).to_pylist()]

    def typed(column: Any) -> list[str]:
        return [TypedText(value or "") for value in column.cast(text).to_pylist()]

    def moments(column: Any) -> list[str]:
        return typed(column.cast(utc[column.type.unit]) if column.type.tz else column)

    return [
        (types.is_null, lambda column: [""] * len(column)),
        (is_plain_text, texts),
        (types.is_boolean, typed),
        (types.is_integer, typed),
        (types.is_floating, lambda column: [plain_decimal(value) for value in column.cast(text).to_pylist()]),
        (is_small_decimal, lambda column: [TypedText("" if value is None else f"{value:f}") for value in column.to_pylist()]),
        (types.is_date, typed),
        (types.is_timestamp, moments),
        (is_uuid, lambda column: ["" if value is None else str(UUID(bytes=value)) for value in column.to_pylist()]),
        (types.is_nested, lambda column: [_as_json(value) for value in column.to_pylist()]),
    ]


def plain_decimal(written: str | None) -> TypedText:
    """A float's shortest digits without an exponent; what is no number stays as it is written, and is refused by row."""
    if not written:
        return TypedText("")
    try:
        number = Decimal(written)
    except InvalidOperation:
        return TypedText(written)
    return TypedText(f"{number:f}" if number.is_finite() else written)


def _as_json(value: Any) -> str:
    if value is None:
        return ""
    # A map comes as pairs.
    if isinstance(value, list) and value and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        value = dict(value)
    return _encode(value).decode()
