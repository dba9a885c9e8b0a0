"""Which column of the file is which of the ledger's, and the values of --set."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernel.backfills.errors import BadSource
from kernel.backfills.reading.columns import Column, Invalid, quoted
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.rows import ALL_OTHERS, columns_by_name


@dataclass
class Names:
    """`columns`: our column for each name of the file; an empty one is known and not read. `negated` and `members` (column and name in
    the object) belong to --map THEIRS=-OURS and --map THEIRS=OURS.NAME.
    """

    columns: dict[str, str] = field(default_factory=dict)
    negated: dict[str, str] = field(default_factory=dict)
    members: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def filled(self) -> set[str]:
        """Our columns that the file has values for."""
        return {*filter(None, self.columns.values()), *self.negated.values(), *(column for column, _ in self.members.values())}


def resolve_names(
    columns: Sequence[Column], *, header: Sequence[str], options: ReadingOptions, skipped: Sequence[str], complete: bool
) -> Names:
    """Our column for each name of the file. An unknown name is refused, so that a misspelt column can't vanish. Raises BadSource.

    `skipped`: columns of the ledger's export that a backfill ignores. `complete`: the header names every column of the file; a JSON
    record may have more, and is checked when it is read.
    """
    known = columns_by_name(columns)
    for theirs, ours in options.mapped.items():
        _add_mapping(Names(), theirs, ours, known)
    if complete:
        _check_missing(header, options)
    names = Names()
    for theirs, ours in options.mapped.items():
        if theirs in header or theirs not in options.optional or not complete:
            _add_mapping(names, theirs, ours, known)
    unread = {*options.ignored, *skipped}
    placed = {*names.columns, *names.negated, *names.members, *unread}
    unknown, others = [], {}
    for theirs in header:
        if theirs in placed or theirs.startswith("_") or not theirs:
            continue
        if ALL_OTHERS in unread:
            others[theirs] = ""
        elif theirs in known:
            names.columns[theirs] = known[theirs].name
        elif complete and theirs not in options.named:
            unknown.append(theirs)
    if unknown:
        raise BadSource(unknown_names(unknown, columns))
    used = [name for name in names.columns.values() if name]
    if twice := sorted({name for name in used if used.count(name) > 1}):
        raise BadSource(f"More than one column of the file is {', '.join(twice)}.")
    # A JSON record may have an unread column even if the first record doesn't.
    others |= dict.fromkeys((*unread, *names.negated, *names.members, *options.named), "")
    names.columns = {**dict.fromkeys(others, ""), **names.columns}
    return names


def _check_missing(header: Sequence[str], options: ReadingOptions) -> None:
    """Raises BadSource if the file lacks a column that the options name."""
    may_lack = {*header, *options.optional, ALL_OTHERS}
    used = dict.fromkeys((*options.mapped, *options.ignored, *options.named))
    if missing := [name for name in used if name not in may_lack]:
        raise BadSource(missing_names(missing, header, profile=options.profile))


def _add_mapping(names: Names, theirs: str, ours: str, known: Mapping[str, Column]) -> None:
    """One --map. Raises BadSource if there is no such column of ours."""
    column, _, member = ours.removeprefix("-").partition(".")
    if column not in known:
        raise BadSource(f"--map {theirs}={ours}: there is no column {column}{_closest_name(column, known)}. Known: {listed(known)}.")
    if ours.startswith("-"):
        names.negated[theirs] = known[column].name
    elif member:
        names.members[theirs] = (known[column].name, member)
    else:
        names.columns[theirs] = known[column].name


def missing_names(missing: Sequence[str], header: Sequence[str], *, profile: str) -> str:
    """What to do about columns that the options name and the file lacks."""
    near = {name: difflib.get_close_matches(name, header, n=1) for name in missing}
    renamed = [f"{found[0]!r} where {name!r} was expected" for name, found in near.items() if found]
    hint = f" It has {', '.join(renamed)}: correct the option, or a copy of the profile." if renamed else ""
    of_profile = f", which the profile {profile} reads" if profile else ""
    return f"The file has no column {', '.join(missing)}{of_profile}.{hint} It has: {', '.join(header)}."


def unknown_names(unknown: Sequence[str], columns: Sequence[Column]) -> str:
    known = columns_by_name(columns)
    if len(unknown) == 1:
        begin = f"The file's column {unknown[0]!r} is not known here{_closest_name(unknown[0], known)}."
    else:
        named = [f"{quoted(name)}{_closest_name(name, known)}" for name in unknown]
        begin = f"{len(unknown)} columns of the file are not known here: {', '.join(named)}."
    return (
        f"{begin} Name each with --map {unknown[0]}=<column>, or in an object with --map {unknown[0]}=metadata.{unknown[0]}, or leave"
        f" it out with --ignore {unknown[0]}. Known: {listed(known)}."
    )


def _closest_name(name: str, known: Mapping[str, Column]) -> str:
    folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold().replace(" ", "_"), folded, n=1, cutoff=0.7)
    return f" (perhaps {known[folded[found[0]]].name})" if found else ""


def check_required(columns: Sequence[Column], *, filled: set[str], defaults: Mapping[str, Any], header: Sequence[str]) -> None:
    """Raises BadSource if no column of the file and no default gives a required column of ours."""
    missing = [column.name for column in columns if column.required and column.name not in filled and column.name not in defaults]
    if missing:
        raise BadSource(
            f"Every row needs {', '.join(missing)}, which no column of the file gives. Name the column with --map THEIRS={missing[0]},"
            f" or give all rows one value with --set {missing[0]}=VALUE. The file has: {', '.join(header)}."
        )


def read_defaults(columns: Sequence[Column], values: Mapping[str, str]) -> dict[str, Any]:
    """The values of --set, read as their columns read them. Raises BadSource."""
    known = columns_by_name(columns)
    defaults: dict[str, Any] = {}
    for name, written in values.items():
        if name not in known:
            raise BadSource(f"--set {name}: there is no such column{_closest_name(name, known)}. Known: {listed(known)}.")
        try:
            defaults[known[name].name] = known[name].read(written)
        except Invalid as invalid:
            raise BadSource(f"--set {name}={written}: {invalid}.") from invalid
    return defaults


def our_names(columns: Sequence[Column], names: Sequence[str], *, option: str) -> list[str]:
    """Our columns' names, which may be written as in the APIs. Raises BadSource for unknown ones."""
    known = columns_by_name(columns)
    if unknown := sorted(name for name in names if name not in known):
        raise BadSource(f"{option} {unknown[0]}: there is no such column{_closest_name(unknown[0], known)}. Known: {listed(known)}.")
    return [known[name].name for name in names]


def listed(known: Mapping[str, Column]) -> str:
    return ", ".join(dict.fromkeys(column.name for column in known.values()))
