"""Reading options out of the command line, over those of a profile."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kernel.backfills.adapters import Adapter
from kernel.backfills.reading.options import ReadingOptions, SignOptions
from kernel.backfills.reading.rows import columns_by_name


def options_given(adapter: Adapter, given: Mapping[str, Any], base: ReadingOptions) -> ReadingOptions:
    """The options of the command line (argparse's names) over `base`. Lists and mappings add to it, single values replace it."""
    value_maps = {column: dict(values) for column, values in base.value_maps.items()}
    for column, theirs, ours in given["map_value"]:
        value_maps.setdefault(column, {})[theirs] = ours
    return replace(
        base,
        mapped=_mapped(base, given["map"], given["ignore"]),
        set={**base.set, **dict(given["set"])},
        ignored=tuple(dict.fromkeys((*base.ignored, *given["ignore"]))),
        value_maps=value_maps,
        new_types={**base.new_types, **dict(given.get("new_type") or ())},
        upper=tuple(dict.fromkeys((*base.upper, *given["upper"]))),
        nulls=tuple(dict.fromkeys((*base.nulls, *given["null"]))),
        skips=(*base.skips, *given["skip_rows_where"]),
        optional=tuple(dict.fromkeys((*base.optional, *given["optional"]))),
        key_from=given["key_from"] or base.key_from,
        numbers=replace(base.numbers, **_numbers(given)),
        times=replace(base.times, **_times(adapter, given, base)),
        signs=replace(base.signs, **_signs(given)),
        layout=replace(base.layout, **_layout(given, base)),
    )


def _mapped(base: ReadingOptions, given: list[tuple[str, str]], ignored: list[str]) -> dict[str, str]:
    """A column that --map or --ignore names again isn't what the profile made of it; nor is another column ours any more."""
    ours = {column for _, column in given}
    of_profile = {
        theirs: column for theirs, column in base.mapped.items() if theirs not in ignored and (column not in ours or "." in column)
    }
    return {**of_profile, **dict(given)}


def _numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    changes = {name: given[name] for name in ("decimal", "thousands", "scale") if given[name]}
    if given["numbers"]:
        changes["has_exponents"] = given["numbers"] == "scientific"
    if given["rounding"]:
        changes["is_rounded"] = given["rounding"] == "half-even"
    if given["negative"]:
        changes["has_parentheses"] = given["negative"] == "parentheses"
    return changes


def _times(adapter: Adapter, given: Mapping[str, Any], base: ReadingOptions) -> dict[str, Any]:
    """A pattern may hold a colon itself, so only the name of a column before one counts."""
    known = columns_by_name(adapter.columns)
    formats = dict(base.times.formats)
    for written in given["date_format"]:
        column, colon, format = written.partition(":")
        if colon and column in known:
            formats[known[column].name] = format
        else:
            formats[""] = written
    return {"formats": formats, **({"timezone": given["timezone"]} if given["timezone"] else {})}


def _signs(given: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if written := given.get("sign_from"):
        column, colon, texts = written.rpartition(":")
        minus, equals, plus = texts.partition("=")
        changes = {"column": written, "minus": SignOptions.minus, "plus": SignOptions.plus}
        if colon and equals:
            changes = {"column": column, "minus": tuple(minus.split(",")), "plus": tuple(plus.split(","))}
    if given.get("signs"):
        changes["signs"] = given["signs"]
    if given.get("type_from_sign"):
        changes["types"] = given["type_from_sign"]
    return changes


def _layout(given: Mapping[str, Any], base: ReadingOptions) -> dict[str, Any]:
    changes = {name: given[name] for name in ("delimiter", "encoding", "items", "sheet", "skip_lines", "columns") if given[name]}
    return {**changes, "unread": tuple(dict.fromkeys((*base.layout.unread, *base.ignored, *given["ignore"])))}
