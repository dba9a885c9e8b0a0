"""Links from a row of one ledger to those of another. The ledgers don't know each other; the roof registers what leads where."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from kernel.tenants.staff import Scope


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a row's story: a table with a heading. `empty` is said where there are no rows; a note may stand without a table."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = ""
    note: str = ""

    @property
    def headings(self) -> list[tuple[str, bool]]:
        """Each header, and whether its column holds amounts, over whose digits it stands."""
        amounts = [any('class="money' in str(row[place]) for row in self.rows) for place in range(len(self.headers))]
        return list(zip(self.headers, amounts, strict=True))


@dataclass(frozen=True, slots=True)
class Door:
    """A way from a list (or from a row, with `row` in its address) to a page that changes a setting, for those who may."""

    title: str
    icon: str
    permission: str
    # A name for reverse(), and what stands in its path.
    page: str
    arguments: tuple[str, ...] = ()
    for_rows: bool = False

    def address(self, row: Any = None) -> str:
        address = reverse(self.page, args=self.arguments)
        return address if row is None else f"{address}?row={row.pk}"


# A section, or None where there is nothing to tell. The user decides what may be seen.
Crossing = Callable[[Any, Any, Scope], Section | None]
_CROSSINGS: dict[str, list[Crossing]] = {}
_DOORS: dict[str, list[Door]] = {}


def register(label: str, crossing: Crossing) -> None:
    """Add a section to the pages of a model, "billing.transaction"."""
    _CROSSINGS.setdefault(label, []).append(crossing)


def crossings(label: str, row: Any, user: Any, scope: Scope) -> list[Section]:
    found = [crossing(row, user, scope) for crossing in _CROSSINGS.get(label, [])]
    return [section for section in found if section is not None]


def register_door(label: str, door: Door) -> None:
    _DOORS.setdefault(label, []).append(door)


def doors(label: str, user: Any, row: Any = None) -> list[dict[str, str]]:
    """The ways that this user may go from the list of a model, or from one of its rows."""
    return [
        {"title": door.title, "icon": door.icon, "address": door.address(row)}
        for door in _DOORS.get(label, [])
        if door.for_rows == (row is not None) and user.has_perm(door.permission)
    ]
