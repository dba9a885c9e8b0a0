"""From a record of the file to a posting the ledger could take, or to every reason why not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kernel.backfills.columns import Column, Invalid
from kernel.backfills.errors import BadSource
from kernel.backfills.sources import CSV, Record


class Problem(msgspec.Struct, frozen=True):
    """One reason why a row can't be posted. `column` is the file's own name for it, or empty where the whole row is meant."""

    column: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"{self.column}: {self.why}" if self.column else self.why


class RowRefused(Exception):
    """Raised by an adapter for a row whose values don't go together."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column = column
        self.why = why


@dataclass(frozen=True, slots=True)
class Reversible:
    """How much of a posting may be taken back, with the sign of its effect, in which unit; None where it takes something back itself."""

    size: Decimal | None
    unit: str


class Posting(msgspec.Struct):
    """A row as its ledger will take it. A struct, because they come from another process and structs are cheap to send.

    `key` is the ledger's own idempotency key as one text, `digest` the digest of the facts the ledger compares. `body` is the adapter's
    own; `line` is what goes to the ledger's service, encoded, where the rows are to be posted. `amounts` are (unit, amount) for sums;
    `effects` (account, signed amount) for balances, in order, where they are planned.
    """

    key: str
    digest: bytes
    body: Any
    kind: str
    occurred_at: datetime
    amounts: Sequence[tuple[str, Decimal]] = ()
    effects: Sequence[tuple[str, Decimal]] = ()
    line: bytes = b""
    # The key of a posting that must be in the book, or earlier in the file, before this one.
    depends_on: str | None = None
    # What later ones may take back of this posting; and, once the plan has met its ground in the same file, of that one.
    reversible: Reversible | None = None
    original: Reversible | None = None


class Row(msgspec.Struct):
    """A record and what became of it: a posting, or problems."""

    line: int
    end_line: int
    end: int
    raw: bytes
    posting: Posting | None = None
    problems: list[Problem] = msgspec.field(default_factory=list)


class RowReader:
    """Turns records into rows, by the columns of one ledger and the names of one file."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        prepare: Callable[[dict[str, Any]], Posting],
        names: Mapping[str, str],
        defaults: Mapping[str, Any],
        format: str,
        header: Sequence[str],
    ) -> None:
        self.prepare = prepare
        self.defaults = dict(defaults)
        self.required = [column.name for column in columns if column.required and column.name not in defaults]
        self.needed = frozenset(self.required)
        self.is_csv = format == CSV
        self.width = len(header)
        self.names = dict(names)
        by_name = {column.name: column for column in columns}
        # What the file calls a column, for messages.
        self.theirs = {ours: theirs for theirs, ours in self.names.items() if ours}
        self.cells = [(place, ours, by_name[ours].read) for place, name in enumerate(header) if (ours := self.names.get(name))]
        self.readers = {theirs: (ours, by_name[ours].read_json) for theirs, ours in self.names.items() if ours}
        self.by_name = columns_by_name(columns)

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
        """Required values that nobody gave. A value that was given and refused has its own reason already."""
        told = {problem.column for problem in problems}
        if "" in told:
            return []
        missing = [self.theirs.get(name, name) for name in self.required if name not in values]
        return [Problem(name, "required", "is required and has no value") for name in missing if name not in told]

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
            found = self.readers.get(theirs) or self._unforeseen(theirs, problems)
            if found is None:
                continue
            name, read = found
            try:
                value = read(raw)
            except Invalid as invalid:
                problems.append(Problem(theirs, "invalid", str(invalid)))
            else:
                if value is not None:
                    values[name] = value
        return values

    def _unforeseen(self, theirs: str, problems: list[Problem]) -> Any:
        """A later record may have columns that the first had not."""
        if theirs.startswith("_") or self.names.get(theirs) == "":
            return None
        if known := self.by_name.get(theirs):
            self.readers[theirs] = (known.name, known.read_json)
            self.theirs[known.name] = theirs
            return self.readers[theirs]
        problems.append(Problem(theirs, "unknown", "is no known column: name it with --map or leave it out with --ignore"))
        return None


def columns_by_name(columns: Sequence[Column]) -> dict[str, Column]:
    """Each column by its documented name and by the name the APIs give it."""
    return {**{column.api_name: column for column in columns}, **{column.name: column for column in columns}}


def resolve_names(
    columns: Sequence[Column],
    *,
    header: Sequence[str],
    mapped: Mapping[str, str],
    ignored: Sequence[str],
    skipped_columns: Sequence[str],
    complete: bool,
) -> dict[str, str]:
    """Which of our columns each of the file's is. A name that nobody knows is refused: a misspelt column must not vanish. Raises BadSource.

    `mapped` is the user's --map, `ignored` the user's --ignore, `skipped_columns` the columns that an export carries and a backfill does not take.
    `complete` says that the header names every column that the file has (CSV).
    """
    known = columns_by_name(columns)
    for theirs, ours in mapped.items():
        if ours not in known:
            raise BadSource(f"--map {theirs}={ours}: there is no column {ours}. Known: {', '.join(column.name for column in columns)}.")
    names = {theirs: known[ours].name for theirs, ours in mapped.items()}
    for theirs in header:
        if theirs in names or theirs in ignored or theirs in skipped_columns or theirs.startswith("_") or not theirs:
            continue
        if theirs not in known and not complete:
            # A JSON record answers for itself alone.
            continue
        if theirs not in known:
            raise BadSource(
                f"The file's column {theirs!r} is not known here. Name it with --map {theirs}=<column>, or leave it out with"
                f" --ignore {theirs}. Known: {', '.join(column.name for column in columns)}."
            )
        names[theirs] = known[theirs].name
    taken = list(names.values())
    if twice := sorted({name for name in taken if taken.count(name) > 1}):
        raise BadSource(f"More than one column of the file is {', '.join(twice)}.")
    missing = [theirs for theirs in (*mapped, *ignored) if complete and theirs not in header]
    if missing:
        raise BadSource(f"The file has no column {', '.join(missing)}. It has: {', '.join(header)}.")
    # A JSON record may bring these later: they are known and not wanted.
    return {**names, **dict.fromkeys((*ignored, *skipped_columns), "")}


def read_defaults(columns: Sequence[Column], given: Mapping[str, str]) -> dict[str, Any]:
    """The values of --set, read as the column reads them. Raises BadSource."""
    known = columns_by_name(columns)
    values: dict[str, Any] = {}
    for name, written in given.items():
        if name not in known:
            raise BadSource(f"--set {name}: there is no such column. Known: {', '.join(column.name for column in columns)}.")
        try:
            values[known[name].name] = known[name].read(written)
        except Invalid as invalid:
            raise BadSource(f"--set {name}={written}: {invalid}.") from invalid
    return values
