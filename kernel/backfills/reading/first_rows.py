"""The first rows of a file, as it has them and as they would be read."""

from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from kernel.backfills.reading.files.records import Record
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.rows import Row, RowReader
from kernel.backfills.reading.sources import Reading, Source

ROWS_SHOWN = 10
MAX_TEXT_LENGTH = 60


def first_rows(source: Source, reader: RowReader) -> list[dict[str, Any]]:
    """For each: its place, its texts by the file's names, its values by ours, and why it would be refused. Long texts are cut."""
    with Reading(source) as reading:
        return [_described(source, reader, record) for record in islice(reading, ROWS_SHOWN)]


def left_out(reader: RowReader, source: Source, options: ReadingOptions) -> list[str]:
    """Columns of the file that nothing reads."""
    used = {*options.mapped, *options.named, *(name.partition(".")[0] for name in (*options.mapped, *options.named))}
    names = reader.places if not source.has_objects else source.columns()
    return [name for name in names if not reader.names.get(name) and name not in used and name and not name.startswith("_")]


def _described(source: Source, reader: RowReader, record: Record) -> dict[str, Any]:
    row = Row(line=record.line, end_line=record.end_line, end=record.end, raw=record.raw, part=record.part)
    before = {} if record.fault else _texts(reader, record)
    values = None if record.fault else reader.values_of(record, row)
    return {
        "place": source.place(record.part, record.line),
        "before": before,
        "after": {name: _written(value) for name, value in (values or {}).items()},
        "why": record.fault or "; ".join(map(str, row.problems)),
        "is_skipped": row.is_skipped,
    }


def _texts(reader: RowReader, record: Record) -> dict[str, str]:
    names = list(record.fields) if reader.has_objects else list(reader.places)
    text_of = reader.texts_of(record)
    return {name: _cut(text) for name in names if (text := text_of(name))}


def _written(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _cut(f"{value:f}" if isinstance(value, Decimal) else str(value))


def _cut(text: str) -> str:
    # What isn't UTF-8 has no place in the run's row.
    storable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\x00", "\ufffd")
    return storable if len(storable) <= MAX_TEXT_LENGTH else f"{storable[: MAX_TEXT_LENGTH - 3]}..."
