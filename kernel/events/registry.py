"""The types of events that can be sent to a webhook endpoint. Each app registers its types in its `events` module; this one knows no app.

An endpoint names what it wants by patterns: the name of a type, the beginning of names (`billing.*`, `credits.grant.*`), or `*` for all.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

# The version of the bodies' shapes. A change that breaks receivers makes a new one; an endpoint keeps its own.
API_VERSION = "2026-12"
EVERYTHING = "*"
EXAMPLE_ID = "evt_01930000000070008000000000000001"
EXAMPLE_SEQUENCE = 7
# The names of these groups stand in the middle of sentences, in the order in which pages list them.
GROUPS = ("billing", "metering", "credits", "paying", "rules", "matching", "own")


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event.

    `account`: an example of the account whose events are numbered and may be delivered in order, such as "wallet:USD"; empty: it has none.
    `object_type`: what `data.object` is. `example_object` and `example_previous` make `data.object` and `data.previous` of the example.
    """

    name: str
    group: str
    description: str
    account: str
    object_type: str
    example_object: Callable[[], dict[str, Any]]
    example_previous: Callable[[], dict[str, Any]] | None = None

    @property
    def example(self) -> dict[str, Any]:
        """A whole body, as a receiver gets it."""
        data = {"object": self.example_object()}
        if self.example_previous is not None:
            data["previous"] = self.example_previous()
        return {
            "type": self.name,
            "timestamp": "2026-01-31T12:00:00.000Z",
            "id": EXAMPLE_ID,
            "account": self.account or None,
            "sequence": EXAMPLE_SEQUENCE if self.account else None,
            "apiVersion": API_VERSION,
            "data": data,
        }


_TYPES: dict[str, EventType] = {}
# The first words of types of which one call makes several, with a function that says of a tenant how many that would be.
_VOLUMES: dict[str, Callable[[UUID], str]] = {}


def register(*types: EventType) -> None:
    """Raises ValueError for a group that isn't in GROUPS."""
    for each in types:
        if each.group not in GROUPS:
            raise ValueError(f"{each.name}: {each.group} is not in GROUPS.")
        _TYPES[each.name] = each


def unregister(name: str) -> None:
    """Remove a type: for tests that register their own."""
    _TYPES.pop(name, None)


def register_volume(word: str, note: Callable[[UUID], str]) -> None:
    """Say that types whose names begin with this word come in large numbers: a form offers them, but doesn't choose them at first.

    `note` makes a sentence of a tenant's last day.
    """
    _VOLUMES[word] = note


def busy_words() -> frozenset[str]:
    return frozenset(_VOLUMES)


def volume_notes(tenant_id: UUID) -> list[str]:
    return [note(tenant_id) for note in _VOLUMES.values()]


def list_types() -> list[EventType]:
    """All types: group by group, in the order in which they were registered."""
    return sorted(_TYPES.values(), key=lambda each: GROUPS.index(each.group))


def get_type(name: str) -> EventType:
    """Raises KeyError."""
    return _TYPES[name]


def is_pattern(pattern: str) -> bool:
    """Whether at least one type fits the pattern."""
    return any(matches_pattern(pattern, name) for name in _TYPES)


def matches_pattern(pattern: str, name: str) -> bool:
    """Whether a type's name fits the pattern."""
    return pattern in {EVERYTHING, name} or (pattern.endswith(".*") and name.startswith(pattern[:-1]))


def matches_any_pattern(patterns: Iterable[str], name: str) -> bool:
    return any(matches_pattern(pattern, name) for pattern in patterns)


def nearest_pattern(pattern: str) -> str | None:
    """The type or pattern that a misspelt one resembles most; None if it resembles none."""
    wildcards = {f"{name.rpartition('.')[0]}.*" for name in _TYPES} | {f"{name.partition('.')[0]}.*" for name in _TYPES}
    known = sorted(wildcards) if pattern.endswith("*") else list(_TYPES)
    return next(iter(get_close_matches(pattern[:100].lower(), known, n=1, cutoff=0.5)), None)


def recorded_reply(package: str, operation: str) -> Any:
    """The reply to an operation of an app's API that a test recorded in the app's `api/examples.json`. `package`: as "billing"."""
    return json.loads(json.dumps(_examples(package)["operations"][operation]["response"]))


@cache
def _examples(package: str) -> dict[str, Any]:
    path = Path(str(import_module(package).__file__)).with_name("api") / "examples.json"
    recorded: dict[str, Any] = json.loads(path.read_text())
    return recorded
