"""The preview of an uploaded file, before anybody has said how it is read: its columns, the profiles that fit it, its first rows."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from kernel.backfills.arguments.profiles import matching_profiles
from kernel.backfills.reading.columns import escaped
from kernel.backfills.reading.first_rows import ROWS_SHOWN
from kernel.backfills.reading.sources import Reading, Source

MAX_COLUMNS = 500
MAX_COLUMN_LENGTH = 200
MAX_TEXT_LENGTH = 60


def preview_file(source: Source) -> dict[str, Any]:
    """Columns, recognised profiles and first rows, as the row of an upload keeps them. Raises BadSource."""
    with Reading(source) as reading:
        header, records = reading.header, list(islice(reading, ROWS_SHOWN))
    rows = [_texts(header, record.fields) for record in records if record.fields]
    columns = list(dict.fromkeys(name for row in rows for name in row)) if source.has_objects else header
    return {
        "columns": [name[:MAX_COLUMN_LENGTH] for name in columns[:MAX_COLUMNS] if name],
        "profiles": [{"name": one.name, "title": one.title, "command": one.command} for one in matching_profiles(source)],
        "first_rows": rows,
    }


def _texts(header: list[str], fields: Any) -> dict[str, str]:
    pairs = _members(fields) if isinstance(fields, Mapping) else zip(header, fields, strict=False)
    return {name[:MAX_COLUMN_LENGTH]: _cut(text) for name, text in islice(pairs, MAX_COLUMNS)}


def _members(fields: Mapping[str, Any]) -> Any:
    """The members of an object as texts; those of an object inside of it by their dotted names, as --map takes them."""
    for name, raw in fields.items():
        value = _decoded(bytes(raw))
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", _text(member)) for inner, member in value.items())
        yield name, _text(value)


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    storable = escaped(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return storable if len(storable) <= MAX_TEXT_LENGTH else f"{storable[: MAX_TEXT_LENGTH - 3]}..."
