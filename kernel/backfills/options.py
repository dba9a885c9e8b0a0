"""How one file is read into one ledger: what the person said, resolved once, kept with the run and used again by every resume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kernel.backfills.adapters import Adapter
from kernel.backfills.rows import Posting, RowReader, read_defaults, resolve_names
from kernel.backfills.sources import CSV, Source
from kernel.tenants.models import Tenant


@dataclass(frozen=True)
class ReadingOptions:
    """--map, --set and --ignore, as they were given."""

    mapped: Mapping[str, str] = field(default_factory=dict)
    set: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    delimiter: str = ","

    def as_json(self) -> dict[str, Any]:
        return {"map": dict(self.mapped), "set": dict(self.set), "ignore": list(self.ignored), "delimiter": self.delimiter}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "ReadingOptions":
        return cls(mapped=kept["map"], set=kept["set"], ignored=tuple(kept["ignore"]), delimiter=kept["delimiter"])


def make_reader(
    adapter: Adapter, *, tenant: Tenant, source: Source, options: ReadingOptions, who: Mapping[str, Any] | None = None
) -> RowReader:
    """With `who`, its postings are packed for them. Raises BadSource for names and values that can't be meant."""
    header = source.columns()
    names = resolve_names(
        adapter.columns,
        header=header,
        mapped=options.mapped,
        ignored=options.ignored,
        skipped_columns=adapter.skipped_columns,
        complete=source.format == CSV,
    )
    defaults = {**adapter.defaults(tenant), **read_defaults(adapter.columns, options.set)}
    prepare = adapter.prepare if who is None else partial(_prepare_and_pack, adapter, who)
    return RowReader(adapter.columns, prepare=prepare, names=names, defaults=defaults, format=source.format, header=header)


def _prepare_and_pack(adapter: Adapter, who: Mapping[str, Any], values: dict[str, Any]) -> Posting:
    posting = adapter.prepare(values)
    adapter.pack(posting, who)
    return posting
