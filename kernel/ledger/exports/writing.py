"""Writing a tenant's rows to CSV, JSON Lines or Parquet.

Rows stream through a server-side cursor out of one snapshot, so memory stays flat over a ledger of any size.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import msgspec
from django.db import connection, transaction

from kernel.ledger.exports.definitions import Kind, LedgerFile

CHUNK = 2000
CSV, JSON_LINES, PARQUET = "csv", "jsonl", "parquet"
FORMATS = (CSV, JSON_LINES, PARQUET)
# A Parquet row group ends at whichever limit comes first: large enough to be read fast, small enough to be held in memory.
GROUP_ROWS = 20_000
GROUP_BYTES = 16 * 1024 * 1024


class NoParquet(Exception):
    """pyarrow isn't installed, and nothing else writes Parquet."""


def write_export(
    export: LedgerFile, *, tenant_id: UUID, file: BinaryIO | gzip.GzipFile, format: str, on_rows: Callable[[int], None] = lambda rows: None
) -> int:
    """Write a tenant's rows to `file` and return their number. `on_rows` is called with the size of each chunk. Raises NoParquet."""
    write = {CSV: _write_csv, JSON_LINES: _write_json_lines, PARQUET: _write_parquet}[format]
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(export.statement, {"tenant": tenant_id})
        return write(export, _chunks(cursor, on_rows), file)


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Every export written inside sees the ledgers as of one moment. Must not be called inside a transaction."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _chunks(cursor: Any, on_rows: Callable[[int], None]) -> Iterator[list[Any]]:
    while rows := cursor.fetchmany(CHUNK):
        yield rows
        on_rows(len(rows))


def _write_csv(export: LedgerFile, chunks: Iterator[list[Any]], file: Any) -> int:
    wrapper = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(wrapper, lineterminator="\n")
    writer.writerow(field.name for field in export.fields)
    count = 0
    for rows in chunks:
        writer.writerows(rows)
        count += len(rows)
    # Closing the wrapper would close the caller's file.
    wrapper.detach()
    return count


def _write_json_lines(export: LedgerFile, chunks: Iterator[list[Any]], file: Any) -> int:
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
    """The JSON value itself; if its text contains line breaks, which would split the record, the text as a JSON string."""
    return written if "\n" in written or "\r" in written else msgspec.Raw(written.encode())


def require_parquet() -> Any:
    """The optional package pyarrow. Raises NoParquet."""
    try:
        import pyarrow  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise NoParquet from error
    return pyarrow


def _write_parquet(export: LedgerFile, chunks: Iterator[list[Any]], file: Any) -> int:
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
    """Collect batches into row groups, so that at most one group is in memory."""
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        if sum(one.num_rows for one in group) >= GROUP_ROWS or sum(one.nbytes for one in group) >= GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write to `<path>.part` and rename it when it is complete; an incomplete file is deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
