"""How a file is read into a ledger: the options that a person gave, kept with the run and used again by every resume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernel.backfills.reading.files.records import Layout
from kernel.backfills.reading.number_formats import NumberFormat
from kernel.backfills.reading.row_steps import MINUS, PLUS
from kernel.backfills.reading.time_formats import TimeFormat

MAGNITUDE, EFFECT, ABSOLUTE = "magnitude", "effect", "absolute"


@dataclass(frozen=True)
class SignOptions:
    """Where an amount's sign comes from.

    `column`: --sign-from, with the texts that mean below and above zero. `types`: --type-from-sign, the type of amounts above zero and
    that of amounts below. `signs`: --signs, whether amounts are magnitudes, signed as they move the balance, or magnitudes with a sign
    that means nothing.
    """

    column: str = ""
    minus: tuple[str, ...] = tuple(sorted(MINUS))
    plus: tuple[str, ...] = tuple(sorted(PLUS))
    types: tuple[str, ...] = ()
    signs: str = MAGNITUDE

    def as_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "minus": list(self.minus),
            "plus": list(self.plus),
            "types": list(self.types),
            "signs": self.signs,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "SignOptions":
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        return cls(**values)


@dataclass(frozen=True)
class ReadingOptions:
    """--map, --set, --ignore, --map-value (by column), --new-type and the forms of texts, as they were given.

    `optional`: names of the file in `mapped` and `ignored` that it may lack. `profile`: where the options came from.
    """

    mapped: Mapping[str, str] = field(default_factory=dict)
    set: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    value_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    new_types: Mapping[str, str] = field(default_factory=dict)
    upper: Sequence[str] = ()
    nulls: Sequence[str] = ()
    skips: Sequence[tuple[str, str]] = ()
    key_from: Sequence[str] = ()
    optional: Sequence[str] = ()
    profile: str = ""
    # --again: the undone run and the number of the new keys (kernel.backfills.reimport_after_undo.Again).
    again: Mapping[str, Any] = field(default_factory=dict)
    numbers: NumberFormat = field(default_factory=NumberFormat)
    times: TimeFormat = field(default_factory=TimeFormat)
    signs: SignOptions = field(default_factory=SignOptions)
    layout: Layout = field(default_factory=Layout)

    def as_json(self) -> dict[str, Any]:
        return {
            # Pairs, because jsonb forgets the order of members, which is that of the members of our objects.
            "map": [list(pair) for pair in self.mapped.items()],
            "set": dict(self.set),
            "ignore": list(self.ignored),
            "map_value": {column: dict(values) for column, values in self.value_maps.items()},
            "new_type": dict(self.new_types),
            "upper": list(self.upper),
            "null": list(self.nulls),
            "skip_rows_where": [list(rule) for rule in self.skips],
            "key_from": list(self.key_from),
            "optional": list(self.optional),
            "profile": self.profile,
            "again": dict(self.again),
            "numbers": self.numbers.as_json(),
            "times": self.times.as_json(),
            "signs": self.signs.as_json(),
            "layout": self.layout.as_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ReadingOptions":
        return cls(
            mapped=dict(stored["map"]),
            set=stored["set"],
            ignored=tuple(stored["ignore"]),
            value_maps=stored["map_value"],
            new_types=stored["new_type"],
            upper=tuple(stored["upper"]),
            nulls=tuple(stored["null"]),
            skips=tuple((column, pattern) for column, pattern in stored["skip_rows_where"]),
            key_from=tuple(stored["key_from"]),
            optional=tuple(stored["optional"]),
            profile=stored["profile"],
            again=stored["again"],
            numbers=NumberFormat.from_json(stored["numbers"]),
            times=TimeFormat.from_json(stored["times"]),
            signs=SignOptions.from_json(stored["signs"]),
            layout=Layout.from_json(stored["layout"]),
        )

    @property
    def named(self) -> list[str]:
        """Columns of the file that the options use, besides those that are mapped."""
        parts = [part for part in self.key_from if not part.startswith("=") and part != "_line"]
        return [*parts, *([self.signs.column] if self.signs.column else []), *(column for column, _ in self.skips)]
