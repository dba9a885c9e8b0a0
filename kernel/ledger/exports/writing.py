"""Taking a book out as a file that its backfill reads back: every value is text made by the database, so that no digit is lost on the way.

Rows stream through a cursor of the server out of one snapshot; memory stays flat over a book of any size.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import msgspec
from django.db import connection, transaction

CHUNK = 2000
CSV, JSON_LINES, PARQUET = "csv", "jsonl", "parquet"
FORMATS = (CSV, JSON_LINES, PARQUET)
# A row group of Parquet ends at whichever comes first: large enough to be read fast, small enough to be held in memory.
GROUP_ROWS = 20_000
GROUP_BYTES = 16 * 1024 * 1024


class NoParquet(Exception):
    """pyarrow isn't installed, and nothing else writes Parquet."""


class Kind(StrEnum):
    """What a column holds, by the name of the function that makes text of it."""

    TEXT = "text"
    MONEY = "money"
    MOMENT = "moment"
    DAY = "day"
    WHOLE = "whole"
    FLAG = "flag"
    DIGEST = "digest"
    # Made into text by its own expression, if it isn't yet; JSON Lines carry it as it is.
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an export: its name there, and the database's expression for it where that isn't the column of the same name."""

    name: str
    expression: str = ""
    kind: Kind = Kind.TEXT

    def selected(self, row: str) -> str:
        """As a column of the SELECT. `row`: the alias of the row that is exported."""
        value = self.expression or f"{row}.{self.name}"
        written = {Kind.MONEY: amount, Kind.MOMENT: moment, Kind.DIGEST: digest}.get(self.kind, text)
        return f"{written(value)} AS {self.name}"


@dataclass(frozen=True, slots=True)
class Export:
    """One file: `fields` of `source`, whose alias is `row`, in the order in which they can be brought in by `command`.

    `source` is what follows FROM, and names the tenant as %(tenant)s. `tables` are those whose rows the file holds. Without a
    `command` it is for the record: nothing reads it back.
    """

    name: str
    says: str
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
    """Columns that are called what they are called in the database."""
    return tuple(Field(name, kind=kind) for name in names)


# Who wrote a row and when the book took it; the last columns of every export of ledger rows.
BOOKED = (*fields("occurred_at", "created_at", kind=Kind.MOMENT), *fields("actor", "request_id"))


def write_export(
    export: Export, *, tenant_id: UUID, file: BinaryIO | gzip.GzipFile, format: str, told: Callable[[int], None] = lambda rows: None
) -> int:
    """Write a tenant's rows; the count of them. `told` hears of every few that are read. Raises NoParquet."""
    write = {CSV: _write_csv, JSON_LINES: _write_json_lines, PARQUET: _write_parquet}[format]
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(export.statement, {"tenant": tenant_id})
        return write(export, _chunks(cursor, told), file)


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Every export written within sees the books as of one moment. For whoever isn't inside a transaction yet."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _chunks(cursor: Any, told: Callable[[int], None]) -> Iterator[list[Any]]:
    while rows := cursor.fetchmany(CHUNK):
        yield rows
        told(len(rows))


def _write_csv(export: Export, chunks: Iterator[list[Any]], file: Any) -> int:
    wrapper = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(wrapper, lineterminator="\n")
    writer.writerow(field.name for field in export.fields)
    count = 0
    for rows in chunks:
        writer.writerows(rows)
        count += len(rows)
    # The file is the caller's, and closing the wrapper would close it.
    wrapper.detach()
    return count


def _write_json_lines(export: Export, chunks: Iterator[list[Any]], file: Any) -> int:
    columns = [(field.name, field.kind == Kind.JSON) for field in export.fields]
    count = 0
    for rows in chunks:
        objects = [
            {name: _as_json(value) if is_json else value for (name, is_json), value in pairs if value is not None}
            for pairs in (zip(columns, row, strict=True) for row in rows)
        ]
        file.write(b"".join(msgspec.json.encode(one) + b"\n" for one in objects))
        count += len(rows)
    return count


def _as_json(written: str) -> msgspec.Raw | str:
    """JSON as it stands; where its caller broke its lines, which a line of the file may not, the text of it as a string."""
    return written if "\n" in written or "\r" in written else msgspec.Raw(written.encode())


def require_parquet() -> Any:
    """pyarrow, an optional companion. Raises NoParquet."""
    try:
        import pyarrow  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise NoParquet from error
    return pyarrow


def _write_parquet(export: Export, chunks: Iterator[list[Any]], file: Any) -> int:
    pyarrow = require_parquet()
    types = {
        Kind.MONEY: pyarrow.decimal128(38, 18),
        Kind.MOMENT: pyarrow.timestamp("us", tz="UTC"),
        Kind.DAY: pyarrow.date32(),
        Kind.WHOLE: pyarrow.int64(),
        Kind.FLAG: pyarrow.bool_(),
    }
    schema = pyarrow.schema([(field.name, types.get(field.kind, pyarrow.string())) for field in export.fields])
    count = 0
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for group in _row_groups(_batches(pyarrow, schema, chunks)):
            writer.write_table(pyarrow.Table.from_batches(group))
            count += sum(batch.num_rows for batch in group)
    return count


def _batches(pyarrow: Any, schema: Any, chunks: Iterator[list[Any]]) -> Iterator[Any]:
    for rows in chunks:
        texts = (pyarrow.array(column, pyarrow.string()) for column in zip(*rows, strict=True))
        arrays = [column if field.type == column.type else column.cast(field.type) for column, field in zip(texts, schema, strict=True)]
        yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def _row_groups(batches: Iterator[Any]) -> Iterator[list[Any]]:
    """Batches together until they make a row group, so that never more than one of them is in memory."""
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        if sum(one.num_rows for one in group) >= GROUP_ROWS or sum(one.nbytes for one in group) >= GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def text(value: str) -> str:
    return f"({value})::text"


def moment(value: str) -> str:
    """An instant in UTC, to the microsecond."""
    return f"""to_char({value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def amount(value: str) -> str:
    """A decimal's digits without trailing zeros."""
    return f"trim_scale({value})::text"


def digest(value: str) -> str:
    return f"encode({value}, 'hex')"


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes its name only when it is whole; of one that isn't, nothing stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
