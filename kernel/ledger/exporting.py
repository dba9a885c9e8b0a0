"""Taking a book out as a file that its backfill reads back: every value is text made by the database, so that no digit is lost on the way.

Rows stream through a cursor of the server out of one snapshot; memory stays flat over a book of any size.
"""

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import msgspec
from django.db import connection, transaction

CHUNK = 2000
CSV, JSON_LINES, PARQUET = "csv", "jsonl", "parquet"
FORMATS = (CSV, JSON_LINES, PARQUET)


class NoParquet(Exception):
    """pyarrow isn't installed, and nothing else writes Parquet."""


@dataclass(frozen=True, slots=True)
class Export:
    """`statement` selects texts for a tenant (%(tenant)s), in the order in which they can be brought in; `command` brings them in.

    `json_columns` hold JSON, which JSON Lines carry as it is.
    """

    name: str
    says: str
    statement: str
    command: str
    json_columns: frozenset[str] = frozenset()


def write_export(export: Export, *, tenant_id: UUID, file: BinaryIO | gzip.GzipFile, format: str) -> int:
    """Write a tenant's rows; the count of them. Raises NoParquet."""
    write = {CSV: _write_csv, JSON_LINES: _write_json_lines, PARQUET: _write_parquet}[format]
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(export.statement, {"tenant": tenant_id})
        first = cursor.fetchmany(CHUNK)
        names = [column.name for column in cursor.description]
        return write(export, names, _chunks(cursor, first), file)


def _chunks(cursor: Any, first: list[Any]) -> Iterator[list[Any]]:
    rows = first
    while rows:
        yield rows
        rows = cursor.fetchmany(CHUNK)


def _write_csv(export: Export, names: Sequence[str], chunks: Iterator[list[Any]], file: Any) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    count = 0
    for rows in chunks:
        writer.writerows(rows)
        count += len(rows)
    # The file is the caller's, and closing the wrapper would close it.
    text.detach()
    return count


def _write_json_lines(export: Export, names: Sequence[str], chunks: Iterator[list[Any]], file: Any) -> int:
    count = 0
    for rows in chunks:
        objects = [
            {name: _as_json(value) if name in export.json_columns else value for name, value in pairs if value is not None}
            for pairs in (zip(names, row, strict=True) for row in rows)
        ]
        file.write(b"".join(msgspec.json.encode(one) + b"\n" for one in objects))
        count += len(rows)
    return count


def _as_json(text: str) -> msgspec.Raw | str:
    """JSON as it stands; where its caller broke its lines, which a line of the file may not, the text of it as a string."""
    return text if "\n" in text or "\r" in text else msgspec.Raw(text.encode())


def _write_parquet(export: Export, names: Sequence[str], chunks: Iterator[list[Any]], file: Any) -> int:
    try:
        import pyarrow  # noqa: PLC0415 - an optional companion
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise NoParquet from error
    schema = pyarrow.schema([(name, pyarrow.string()) for name in names])
    count = 0
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for rows in chunks:
            columns = [pyarrow.array(column, pyarrow.string()) for column in zip(*rows, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            count += len(rows)
    return count


def moment(column: str) -> str:
    """An instant in UTC, to the microsecond."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def amount(column: str) -> str:
    """A decimal's digits without trailing zeros."""
    return f"trim_scale({column})::text"


def digest(column: str) -> str:
    return f"encode({column}, 'hex')"


def open_output(path: Path) -> BinaryIO:
    """A new file that takes its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{path.name}.part").open("wb")
