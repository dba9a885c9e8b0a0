"""How one file is read into one ledger: the options that a person gave, kept with the run and used again by every resume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kernel.backfills.adapters import Adapter
from kernel.backfills.columns import Column, Invalid
from kernel.backfills.errors import BadSource
from kernel.backfills.number_formats import NumberFormat, with_number_format
from kernel.backfills.rows import Posting, RowReader, RowRefused, columns_by_name
from kernel.backfills.sources import CSV, Source
from kernel.tenants.models import Tenant


@dataclass(frozen=True)
class ReadingOptions:
    """--map, --set, --ignore, --map-value (by column), --new-type and the form of numbers, as they were given."""

    mapped: Mapping[str, str] = field(default_factory=dict)
    set: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    delimiter: str = ","
    value_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    new_types: Mapping[str, str] = field(default_factory=dict)
    numbers: NumberFormat = field(default_factory=NumberFormat)

    def as_json(self) -> dict[str, Any]:
        return {
            "map": dict(self.mapped),
            "set": dict(self.set),
            "ignore": list(self.ignored),
            "delimiter": self.delimiter,
            "map_value": {column: dict(values) for column, values in self.value_maps.items()},
            "new_type": dict(self.new_types),
            "numbers": self.numbers.as_json(),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "ReadingOptions":
        return cls(
            mapped=kept["map"],
            set=kept["set"],
            ignored=tuple(kept["ignore"]),
            delimiter=kept["delimiter"],
            value_maps=kept["map_value"],
            new_types=kept["new_type"],
            numbers=NumberFormat.from_json(kept["numbers"]),
        )


def make_reader(
    adapter: Adapter, *, tenant: Tenant, source: Source, options: ReadingOptions, audit: Mapping[str, Any] | None = None
) -> RowReader:
    """The reader of a file's rows. With `audit`, its postings are packed for posting. Raises BadSource for wrong names and values."""
    header = source.columns()
    names = resolve_names(
        adapter.columns,
        header=header,
        mapped=options.mapped,
        ignored=options.ignored,
        skipped=adapter.skipped_columns,
        complete=source.format == CSV,
    )
    defaults = {**adapter.defaults(tenant), **read_defaults(adapter.columns, options.set)}
    _check_new_types(adapter, options.new_types)
    if options.numbers.decimal == options.numbers.thousands:
        raise BadSource("--decimal and --thousands can't be the same character.")
    return RowReader(
        [with_number_format(column, options.numbers) for column in adapter.columns],
        prepare=partial(_prepare, adapter, options.new_types, audit),
        names=names,
        defaults=defaults,
        format=source.format,
        header=header,
        value_maps=_value_maps(adapter.columns, options.value_maps),
    )


def _prepare(adapter: Adapter, new_types: Mapping[str, str], audit: Mapping[str, Any] | None, values: dict[str, Any]) -> Posting:
    direction = new_types.get(values.get("type", ""))
    if direction is not None and values.setdefault("direction", direction) != direction:
        raise RowRefused("direction", f"is {values['direction']} where --new-type says {values['type']}={direction}")
    posting = adapter.prepare(values)
    if audit is not None:
        adapter.pack(posting, audit)
    return posting


def _check_new_types(adapter: Adapter, new_types: Mapping[str, str]) -> None:
    """Check that the ledger has types with these directions. Raises BadSource."""
    if new_types and not adapter.type_directions:
        raise BadSource(f"--new-type: {adapter.noun} have no catalogue of types.")
    for code, direction in new_types.items():
        if direction not in adapter.type_directions:
            raise BadSource(f"--new-type {code}={direction}: the direction must be one of {', '.join(adapter.type_directions)}.")


def _value_maps(columns: Sequence[Column], maps: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """--map-value by our column names. Raises BadSource for unknown columns."""
    known = columns_by_name(columns)
    if unknown := sorted(name for name in maps if name not in known):
        raise BadSource(f"--map-value {unknown[0]}: there is no such column. Known: {_names(columns)}.")
    return {known[name].name: values for name, values in maps.items()}


def resolve_names(
    columns: Sequence[Column],
    *,
    header: Sequence[str],
    mapped: Mapping[str, str],
    ignored: Sequence[str],
    skipped: Sequence[str],
    complete: bool,
) -> dict[str, str]:
    """Our column for each name of the file. An unknown name is refused, so that a misspelt column can't vanish. Raises BadSource.

    `mapped`: --map. `ignored`: --ignore. `skipped`: columns of the ledger's export that a backfill ignores. `complete`: the header names
    every column of the file (CSV); a JSON record may have more, and is checked when it is read.
    """
    known = columns_by_name(columns)
    for theirs, ours in mapped.items():
        if ours not in known:
            raise BadSource(f"--map {theirs}={ours}: there is no column {ours}. Known: {_names(columns)}.")
    names = {theirs: known[ours].name for theirs, ours in mapped.items()}
    for theirs in header:
        if theirs in names or theirs in ignored or theirs in skipped or theirs.startswith("_") or not theirs:
            continue
        if theirs not in known and not complete:
            continue
        if theirs not in known:
            raise BadSource(
                f"The file's column {theirs!r} is not known here. Name it with --map {theirs}=<column>, or leave it out with"
                f" --ignore {theirs}. Known: {_names(columns)}."
            )
        names[theirs] = known[theirs].name
    used = list(names.values())
    if twice := sorted({name for name in used if used.count(name) > 1}):
        raise BadSource(f"More than one column of the file is {', '.join(twice)}.")
    missing = [theirs for theirs in (*mapped, *ignored) if complete and theirs not in header]
    if missing:
        raise BadSource(f"The file has no column {', '.join(missing)}. It has: {', '.join(header)}.")
    # An empty name means: known, and not read. A JSON record may have such a column even if the first record doesn't.
    return {**names, **dict.fromkeys((*ignored, *skipped), "")}


def read_defaults(columns: Sequence[Column], values: Mapping[str, str]) -> dict[str, Any]:
    """The values of --set, read as their columns read them. Raises BadSource."""
    known = columns_by_name(columns)
    defaults: dict[str, Any] = {}
    for name, written in values.items():
        if name not in known:
            raise BadSource(f"--set {name}: there is no such column. Known: {_names(columns)}.")
        try:
            defaults[known[name].name] = known[name].read(written)
        except Invalid as invalid:
            raise BadSource(f"--set {name}={written}: {invalid}.") from invalid
    return defaults


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)
