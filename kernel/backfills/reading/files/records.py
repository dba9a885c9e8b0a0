"""One record of a file, the formats, and how a file is laid out."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import msgspec

CSV, JSON_LINES, JSON, PARQUET, XLSX = "csv", "jsonl", "json", "parquet", "xlsx"
FORMATS = (CSV, JSON_LINES, JSON, PARQUET, XLSX)
SUFFIXES = {".csv": CSV, ".tsv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".json": JSON, ".parquet": PARQUET, ".xlsx": XLSX}
# Formats whose records are objects; the records of the others are lists of texts below a header.
OBJECTS = (JSON_LINES, JSON)
# Bytes. Bounds the memory for one line, or one object of a JSON array; a longer one is refused.
MAX_LINE_BYTES = 4 * 1024 * 1024
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAME_ENDS = re.compile(rb'"\s*:').findall


class TypedText(str):
    """The text of a value whose type the file knows (a number or date of a spreadsheet, a column of Parquet).

    Such a value isn't written in the file's own way: a number is a plain decimal and a time ISO 8601, whatever the options of the file say.
    """

    __slots__ = ()


@dataclass(slots=True)
class Record:
    """One record. `fields`: texts in the header's order, a mapping to raw JSON (OBJECTS), or None if there is a `fault`.

    `end` is where the next record begins: a byte of the unpacked UTF-8 text (CSV, JSON Lines), else a number of records or rows.
    `part` counts the files of a run from 0, and `line` begins anew in each.
    """

    line: int
    end_line: int
    end: int
    raw: bytes
    fields: Any
    fault: str = ""
    part: int = 0


@dataclass(frozen=True)
class Layout:
    """How a file is laid out. Each format reads its own part.

    `items`: the path of the list inside of a JSON object. `skip_lines`: lines above the header. `columns`: the names of a file without a
    header. `unread`: columns that need not be read.
    """

    delimiter: str = ","
    encoding: str = ""
    items: tuple[str, ...] = ()
    sheet: str = ""
    skip_lines: int = 0
    columns: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Layout":
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        return cls(**values)


class PartFile(Protocol):
    """One open file of a run."""

    header: list[str]

    @property
    def line(self) -> int:
        """The last line that was read."""

    def records(self, *, offset: int, line: int) -> Iterator[Record]:
        """Its records, from the one that begins at `offset`, which is the `end` of the record before it; `line` is that one's last line."""

    def close(self) -> None: ...


def csv_line(texts: Iterable[str], delimiter: str = ",") -> bytes:
    """One line of CSV without its line break."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(texts)
    return text.getvalue().encode("utf-8", "surrogateescape")


def read_object(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """The members of a JSON object as raw JSON, or why it isn't one."""
    try:
        fields = _decoder.decode(raw)
        repeated = repeated_names(raw, fields)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return None, f"no JSON object: {error}"
    if repeated:
        return None, f"the object names {', '.join(repeated)} more than once"
    return fields, ""


def repeated_names(raw: bytes, fields: dict[str, Any] | None = None) -> list[str]:
    """Names that occur twice in a valid JSON object, without those of nested objects; `fields`: the object as it was decoded.

    Decoders keep the last value of such a name and drop the others without an error.
    """
    fields = _decoder.decode(raw) if fields is None else fields
    # Each name is followed by a colon, and so is each name inside of a value. What remains beyond the names that were kept is one that was
    # dropped, or a quote and a colon within a name. Nearly every record ends here without being decoded a second time.
    inside = sum(len(_NAME_ENDS(value)) for value in fields.values())
    if len(_NAME_ENDS(raw)) - inside == len(fields):
        return []
    names = [name for name, _ in json.loads(raw, object_pairs_hook=list)]
    return sorted({name for name in names if names.count(name) > 1})
