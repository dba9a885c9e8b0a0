"""From a record of the file to a posting that the ledger could take, or to every reason why not."""

import contextlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kernel.backfills.errors import RowRefused
from kernel.backfills.reading.columns import Column, Invalid
from kernel.backfills.reading.files.records import Record, read_object
from kernel.backfills.reading.row_steps import LINE, JsonScalar, SkipRule, Step, TextOf

# --ignore '*': every column that --map doesn't name.
ALL_OTHERS = "*"


class Problem(msgspec.Struct, frozen=True):
    """One reason why a row is refused. `column` is the file's own name for it; empty if the whole row is meant."""

    column: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"{self.column}: {self.why}" if self.column else self.why


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
    # The key of the posting that this one reverses; it must be in the ledger or earlier in the file.
    depends_on: str | None = None
    # Plan only: what later rows may reverse of this posting, and what may be reversed of the original if that is in the same file.
    reversible: Reversible | None = None
    original: Reversible | None = None


class Row(msgspec.Struct):
    """A record with its posting, or with the problems that refuse it, or skipped. `part` and `end`: see Record."""

    line: int
    end_line: int
    end: int
    raw: bytes
    posting: Posting | None = None
    problems: list[Problem] = msgspec.field(default_factory=list)
    part: int = 0
    is_skipped: bool = False
    # In a run with --again: the posting under the row's new key, and the keys that earlier --again runs gave it
    # (kernel.backfills.reimport_after_undo).
    again: Posting | None = None
    earlier_keys: list[str] = msgspec.field(default_factory=list)
    # It stands in the ledger under such an earlier key.
    is_known: bool = False
    # Another process posts it.
    is_others: bool = False


class RowReader:
    """Makes rows of records, by the columns of one ledger and the names of one file.

    `columns` read texts as this file writes them. `steps` change the values of a row by other columns of the file. `dotted`: names of
    members inside of JSON objects, such as amount.value, that the options name.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        prepare: Callable[[dict[str, Any]], Posting],
        names: Mapping[str, str],
        defaults: Mapping[str, Any],
        has_objects: bool,
        header: Sequence[str],
        steps: Sequence[Step] = (),
        skips: Sequence[SkipRule] = (),
        dotted: Sequence[str] = (),
        share: "ShareOfRows | None" = None,
        prepare_again: Callable[[dict[str, Any]], tuple[Posting, list[str]]] | None = None,
    ) -> None:
        self.share = share
        self.prepare, self.prepare_again = prepare, prepare_again
        self.defaults = dict(defaults)
        self.required = [column.name for column in columns if column.required and column.name not in defaults]
        self.needed = frozenset(self.required)
        self.has_objects = has_objects
        self.width = len(header)
        self.places = {name: place for place, name in enumerate(header)}
        self.steps, self.skips = steps, skips
        self.dotted = [(name, name.split(".")) for name in dotted]
        self.names = {**{part: "" for name, path in self.dotted for part in (name, path[0])}, **names}
        self.columns = {column.name: column for column in columns}
        # The file's names of the columns, for messages.
        self.theirs = {ours: theirs for theirs, ours in self.names.items() if ours}
        self.cells = [(place, ours, self.columns[ours].read) for place, name in enumerate(header) if (ours := self.names.get(name))]
        self.readers = {theirs: (ours, self.columns[ours].read_json) for theirs, ours in self.names.items() if ours}
        self.by_name = columns_by_name(list(self.columns.values()))

    def read(self, record: Record) -> Row:
        row = Row(line=record.line, end_line=record.end_line, end=record.end, raw=record.raw, part=record.part)
        if self.share is not None and not self.share.has(record, self):
            row.is_others = True
            return row
        if record.fault:
            row.problems.append(Problem("", "unreadable", record.fault))
            return row
        values = self.values_of(record, row)
        if values is None or row.problems:
            return row
        try:
            row.posting = self.prepare(dict(values) if self.prepare_again else values)
            if self.prepare_again:
                row.again, row.earlier_keys = self.prepare_again(values)
        except RowRefused as refused:
            row.problems.append(Problem(self.theirs.get(refused.column, refused.column), "invalid", refused.why))
        return row

    def values_of(self, record: Record, row: Row) -> dict[str, Any] | None:
        """The values by our columns' names; None if the row is skipped or a step refuses it. Problems are added to `row`."""
        if self.dotted:
            record.fields = {**record.fields, **self._members(record.fields)}
        if self.skips or self.steps:
            text_of = self.texts_of(record)
            if any(rule.matches(text_of) for rule in self.skips):
                row.is_skipped = True
                return None
        values = self._json_values(record.fields, row.problems) if self.has_objects else self._csv_values(record.fields, row.problems)
        if self.steps and not row.problems and not self._take_steps(values, text_of, row.problems):
            return None
        if not self.needed <= values.keys():
            row.problems += self._missing(values, row.problems)
        return values

    def _take_steps(self, values: dict[str, Any], text_of: TextOf, problems: list[Problem]) -> bool:
        try:
            for step in self.steps:
                step(values, text_of)
            return True
        except RowRefused as refused:
            problems.append(Problem(self.theirs.get(refused.column, refused.column), "invalid", refused.why))
            return False

    def texts_of(self, record: Record) -> TextOf:
        """The texts of a record by the file's own names of its columns."""
        fields, places = record.fields, self.places

        def in_line(name: str) -> str | None:
            if name == LINE:
                return f"{record.part}:{record.line}" if record.part else str(record.line)
            place = places.get(name)
            return fields[place] if place is not None and place < len(fields) else None

        def in_object(name: str) -> str | None:
            if name == LINE:
                return in_line(name)
            raw = bytes(fields.get(name, b"null"))
            if raw[:1] == b'"':
                with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                    return str(msgspec.json.decode(raw))
            return None if raw == b"null" else JsonScalar(raw.decode("utf-8", "surrogateescape"))

        return in_object if self.has_objects else in_line

    def _members(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The members inside of objects that the options name, under their dotted names."""
        members = {}
        for name, path in self.dotted:
            raw: Any = fields.get(path[0])
            for step in path[1:]:
                raw = (read_object(bytes(raw))[0] or {}).get(step) if raw is not None else None
            if raw is not None:
                members[name] = raw
        return members

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
            if not (written := fields[place]):
                continue
            try:
                value = read(written)
            except Invalid as invalid:
                problems.append(Problem(self.theirs.get(name, name), "invalid", str(invalid)))
                continue
            if value is not None:
                values[name] = value
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
        if theirs.startswith("_") or self.names.get(theirs) == "" or ALL_OTHERS in self.names:
            return None
        if column := self.by_name.get(theirs):
            self.readers[theirs] = (column.name, column.read_json)
            self.theirs[column.name] = theirs
            return self.readers[theirs]
        problems.append(Problem(theirs, "unknown", "is no known column: name it with --map or leave it out with --ignore"))
        return None


@dataclass(frozen=True)
class ShareOfRows:
    """The rows of some accounts: those whose account, by its hash, has this number of `of`. Rows that name none belong to the first share.

    `columns`: the file's names of the columns that name the account; with `is_account` each is read as our column, so that two spellings
    of one account are one.
    """

    number: int
    of: int
    columns: Sequence[str]
    is_account: bool

    def has(self, record: Record, reader: RowReader) -> bool:
        if record.fault:
            return self.number == 0
        text_of = reader.texts_of(record)
        texts = [self._account(reader, name, text_of(name)) for name in self.columns]
        if not any(texts):
            return self.number == 0
        return zlib.crc32("\0".join(texts).encode("utf-8", "surrogatepass")) % self.of == self.number

    def _account(self, reader: RowReader, name: str, text: str | None) -> str:
        if not text:
            return str(reader.defaults.get(reader.names.get(name, ""), ""))
        if not self.is_account:
            return text
        try:
            return str(reader.columns[reader.names[name]].read(text))
        except Invalid:
            return ""


def columns_by_name(columns: Sequence[Column]) -> dict[str, Column]:
    """Each column by its documented name and by its name in the APIs."""
    return {**{column.api_name: column for column in columns}, **{column.name: column for column in columns}}
