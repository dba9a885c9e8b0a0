"""Profiles: how a known export is read, as TOML files that an app ships in imports/profiles, or that a person copied and changed.

A profile's options are those of the command line, by the same names. Its variants are the forms of one export (a CSV file, the pages of an
API), each with the header that recognises it and the options that only it needs.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.apps import apps

from kernel.backfills.adapters import Adapter
from kernel.backfills.arguments.option_values import options_given
from kernel.backfills.arguments.parser import DELIMITERS, ReadingParser
from kernel.backfills.errors import BadSource
from kernel.backfills.reading.files.records import Layout
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.sources import Source

FOLDER = Path("imports") / "profiles"


@dataclass(frozen=True)
class Variant:
    """One form of an export. `header`: names that a file of this form has. `values`: the options as the TOML file has them."""

    header: tuple[str, ...]
    values: Mapping[str, Any]

    @property
    def arguments(self) -> list[str]:
        """The options as arguments of the command line."""
        return [f"--{option}={text}" for option, value in self.values.items() for text in _texts(option, value)]

    def layout(self, base: Layout) -> Layout:
        """How a file of this form is laid out, where `base` doesn't say it."""
        items = tuple(str(self.values.get("items", "")).split(".")) if self.values.get("items") else ()
        named = str(self.values.get("delimiter", base.delimiter))
        return replace(
            base,
            items=base.items or items,
            delimiter=DELIMITERS.get(named, named) if base.delimiter == Layout.delimiter else base.delimiter,
            encoding=base.encoding or str(self.values.get("encoding", "")),
            skip_lines=base.skip_lines or int(self.values.get("skip-lines", 0)),
        )

    def columns(self, source: Source) -> list[str]:
        """The names of a file's columns, read as this form has them; none if it isn't laid out so."""
        layout = self.layout(source.layout)
        try:
            return replace(source, layout=layout if source.has_objects else replace(layout, items=())).columns()
        except BadSource:
            return []


@dataclass(frozen=True)
class Profile:
    name: str
    path: Path
    title: str
    command: str
    notes: str
    variants: tuple[Variant, ...]

    def options(self, adapter: Adapter, variant: Variant) -> ReadingOptions:
        """Raises BadSource, naming the profile, where its options aren't options."""
        if self.command != adapter.command:
            raise BadSource(f"The profile {self.name} is for manage.py {self.command}, not for {adapter.command}.")
        parsed = vars(ReadingParser(adapter, title=str(self.path)).parse_args(variant.arguments))
        return replace(options_given(adapter, parsed, ReadingOptions()), profile=self.name)

    def variant_of(self, source: Source) -> Variant:
        """The form that has the most of its header in the file: where a column is renamed, its error names what is missing."""

        def missing(variant: Variant) -> float:
            return len(set(variant.header) - set(variant.columns(source))) / max(1, len(variant.header))

        return self.variants[0] if len(self.variants) == 1 else min(self.variants, key=missing)


def shipped_profiles() -> list[Profile]:
    """Every app's profiles, by name."""
    paths = [path for config in apps.get_app_configs() for path in (Path(config.path) / FOLDER).glob("*.toml")]
    return sorted(map(read_profile, paths), key=lambda profile: profile.name)


def find_profile(name: str, *, adapter: Adapter | None = None) -> Profile:
    """A shipped profile by its name, or a file. Raises BadSource."""
    if name.endswith(".toml"):
        return read_profile(Path(name))
    shipped = {profile.name: profile for profile in shipped_profiles()}
    if name in shipped:
        return shipped[name]
    own = [known.name for known in shipped.values() if adapter is None or known.command == adapter.command]
    near = difflib.get_close_matches(name, shipped, n=1)
    hint = f" Perhaps {near[0]}." if near else ""
    raise BadSource(f"There is no profile {name}.{hint} Known: {', '.join(own)}. A file of your own ends in .toml.")


def read_profile(path: Path) -> Profile:
    """Raises BadSource."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadSource(f"{path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSource(f"{path} is no TOML: {error}.") from error
    known = {"title", "command", "header", "notes", "options", "variants"}
    if unknown := sorted(set(content) - known):
        raise BadSource(f"{path}: {unknown[0]} is not known. A profile has {', '.join(sorted(known))}.")
    if missing := sorted({"command", "options"} - set(content)):
        raise BadSource(f"{path} has no {missing[0]}.")
    forms = content.get("variants") or [{}]
    return Profile(
        name=path.stem,
        path=path,
        title=str(content.get("title", path.stem)),
        command=str(content["command"]),
        notes=str(content.get("notes", "")).strip(),
        variants=tuple(
            Variant(tuple(form.get("header", content.get("header", ()))), _merged(content["options"], form.get("options", {})))
            for form in forms
        ),
    )


def matching_profiles(source: Source) -> list[Profile]:
    """The shipped profiles of which the file has a whole header, the longest header first."""
    found = []
    for profile in shipped_profiles():
        fitting = [len(form.header) for form in profile.variants if form.header and set(form.header) <= set(form.columns(source))]
        found += [(max(fitting), profile)] if fitting else []
    return [profile for _, profile in sorted(found, key=lambda pair: -pair[0])]


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged, lists are joined, single values are replaced."""
    merged = dict(base)
    for name, value in more.items():
        held = merged.get(name)
        if isinstance(held, Mapping):
            merged[name] = _merged(held, value)
        else:
            merged[name] = [*held, *value] if isinstance(held, list) else value
    return merged


def _texts(option: str, value: Any) -> list[str]:
    """The values of one option as the command line has them."""
    if option == "map-value":
        return [f"{column}:{theirs}={ours}" for column, values in value.items() for theirs, ours in values.items()]
    if isinstance(value, Mapping):
        return [f"{name}={text}" for name, text in value.items()]
    if option in {"key-from", "columns", "type-from-sign"}:
        return [",".join(value)]
    return list(map(str, value)) if isinstance(value, list) else [str(value)]
