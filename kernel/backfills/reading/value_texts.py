"""Texts that are replaced before a column reads them: --null, --map-value, --upper."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kernel.backfills.reading.columns import Column


def with_value_map(column: Column, value_map: Mapping[str, str] | None, *, is_upper: bool = False, nulls: Sequence[str] = ()) -> Column:
    """The column with its mapped values; a text of `nulls` counts as no value. Without any of them the column itself."""
    if not value_map and not is_upper and not nulls:
        return column
    from_json, mapped = column.from_json, value_map or {}

    def replaced(value: str) -> str:
        found = mapped.get(value)
        return (value.upper() if is_upper else value) if found is None else found

    def read(value: str) -> Any:
        return None if value in nulls else column.read(replaced(value))

    def read_json(raw: bytes) -> Any:
        text = msgspec.json.decode(raw) if raw[:1] == b'"' else raw.decode()
        if text in nulls or (text in mapped and raw != b"null") or (is_upper and raw[:1] == b'"'):
            return read(text)
        return from_json(raw) if from_json else column.read_json(raw)

    return Column(column.name, read, required=column.required, help=column.help, from_json=read_json)
