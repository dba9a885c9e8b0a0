"""From a record of the file to a posting that the ledger could take, or to every reason why not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kernel.backfills.columns import Column, Invalid
from kernel.backfills.sources import CSV, Record


class Problem(msgspec.Struct, frozen=True):
    """One reason why a row is refused. `column` is the file's own name for it; empty if the whole row is meant."""

    column: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"{self.column}: {self.why}" if self.column else self.why


class RowRefused(Exception):
    """An adapter raises it for a row whose values contradict each other."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column = column
        self.why = why


@dataclass(frozen=True, slots=True)
class Reversible:
    """How much of a posting can still be reversed, with the sign of its effect; `size` is None for a posting that is itself a reversal."""

    size: Decimal | None
    unit: str


class Posting(msgspec.Struct):
    """A row as its ledger takes it. A struct, because it comes from another process and structs are cheap to pickle.

    `key` is the ledger's idempotency key as one text, `digest` the digest of the facts that the ledger compares. `meant`, set for a
    plan, is the digest with the defaults that the row leaves out; empty where the ledger has none. `body` belongs to the adapter.
    `payload` is the encoded posting for the ledger's service, set when the row will be posted. `amounts` are (unit, amount) for sums.
    `effects` are (account, signed amount) in order, set when the row is planned.
    """

    key: str
    digest: bytes
    body: Any
    kind: str
    occurred_at: datetime
    amounts: Sequence[tuple[str, Decimal]] = ()
    effects: Sequence[tuple[str, Decimal]] = ()
    payload: bytes = b""
    meant: bytes = b""
    # The key of the posting that this one reverses; it must be in the book or earlier in the file.
    depends_on: str | None = None
    # Plan only: what later rows may reverse of this posting, and what may be reversed of the original if that is in the same file.
    reversible: Reversible | None = None
    original: Reversible | None = None


class Row(msgspec.Struct):
    """A record with its posting, or with the problems that refuse it. `end` is the byte after it in the unpacked file."""

    line: int
    end_line: int
    end: int
    raw: bytes
    posting: Posting | None = None
    problems: list[Problem] = msgspec.field(default_factory=list)


class RowReader:
    """Makes rows of records, by the columns of one ledger and the names of one file.

    `value_maps`: for each column, texts of the file and the texts to read instead (--map-value).
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        prepare: Callable[[dict[str, Any]], Posting],
        names: Mapping[str, str],
        defaults: Mapping[str, Any],
        format: str,
        header: Sequence[str],
        value_maps: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.prepare = prepare
        self.defaults = dict(defaults)
        self.required = [column.name for column in columns if column.required and column.name not in defaults]
        self.needed = frozenset(self.required)
        self.is_csv = format == CSV
        self.width = len(header)
        self.names = dict(names)
        self.columns = {column.name: _with_map(column, (value_maps or {}).get(column.name)) for column in columns}
        # The file's names of the columns, for messages.
        self.theirs = {ours: theirs for theirs, ours in self.names.items() if ours}
        self.cells = [(place, ours, self.columns[ours].read) for place, name in enumerate(header) if (ours := self.names.get(name))]
        self.readers = {theirs: (ours, self.columns[ours].read_json) for theirs, ours in self.names.items() if ours}
        self.by_name = columns_by_name(list(self.columns.values()))

    def read(self, record: Record) -> Row:
        row = Row(line=record.line, end_line=record.end_line, end=record.end, raw=record.raw)
        if record.fault:
            row.problems.append(Problem("", "unreadable", record.fault))
            return row
        values = self._csv_values(record.fields, row.problems) if self.is_csv else self._json_values(record.fields, row.problems)
        if not self.needed <= values.keys():
            row.problems += self._missing(values, row.problems)
        if row.problems:
            return row
        try:
            row.posting = self.prepare(values)
        except RowRefused as refused:
            row.problems.append(Problem(self.theirs.get(refused.column, refused.column), "invalid", refused.why))
        return row

    def _missing(self, values: dict[str, Any], problems: list[Problem]) -> list[Problem]:
        """Required columns without a value. A column whose value was refused has its own problem already."""
        refused = {problem.column for problem in problems}
        if "" in refused:
            return []
        missing = [self.theirs.get(name, name) for name in self.required if name not in values]
        return [Problem(name, "required", "is required and has no value") for name in missing if name not in refused]

    def _csv_values(self, fields: list[str], problems: list[Problem]) -> dict[str, Any]:
        values = dict(self.defaults)
        if len(fields) != self.width:
            problems.append(Problem("", "width", f"has {len(fields)} fields where the header has {self.width}"))
            return values
        for place, name, read in self.cells:
            if written := fields[place]:
                try:
                    values[name] = read(written)
                except Invalid as invalid:
                    problems.append(Problem(self.theirs.get(name, name), "invalid", str(invalid)))
        return values

    def _json_values(self, fields: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
        values = dict(self.defaults)
        for theirs, raw in fields.items():
            reader = self.readers.get(theirs) or self._reader_of_new_name(theirs, problems)
            if reader is None:
                continue
            name, read = reader
            try:
                value = read(raw)
            except Invalid as invalid:
                problems.append(Problem(theirs, "invalid", str(invalid)))
            else:
                if value is not None:
                    values[name] = value
        return values

    def _reader_of_new_name(self, theirs: str, problems: list[Problem]) -> Any:
        """The reader of a name that the first record didn't have: a later JSON record may have more columns."""
        if theirs.startswith("_") or self.names.get(theirs) == "":
            return None
        if column := self.by_name.get(theirs):
            self.readers[theirs] = (column.name, column.read_json)
            self.theirs[column.name] = theirs
            return self.readers[theirs]
        problems.append(Problem(theirs, "unknown", "is no known column: name it with --map or leave it out with --ignore"))
        return None


def _with_map(column: Column, value_map: Mapping[str, str] | None) -> Column:
    """The column with its --map-value: a mapped text is replaced before it is read."""
    if not value_map:
        return column
    from_json = column.from_json

    def read(value: str) -> Any:
        return column.read(value_map.get(value, value))

    def read_json(raw: bytes) -> Any:
        text = msgspec.json.decode(raw) if raw[:1] == b'"' else raw.decode()
        return read(value_map[text]) if text in value_map else from_json(raw) if from_json else column.read_json(raw)

    return Column(column.name, read, required=column.required, help=column.help, from_json=read_json)


def columns_by_name(columns: Sequence[Column]) -> dict[str, Column]:
    """Each column by its documented name and by its name in the APIs."""
    return {**{column.api_name: column for column in columns}, **{column.name: column for column in columns}}
