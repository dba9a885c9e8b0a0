"""Panels of a row's page. An app registers panels for the rows of another app here, because apps may not import each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.http import url_has_allowed_host_and_scheme

from kernel.base.empty_values import NO_AMOUNT, NOTHING
from kernel.tenants.staff_scope import VisibleTenants


def path_of_this_site(path: str | None) -> str:
    """The path, if it is one of this site; else empty. For a page that leads back to where its reader came from."""
    text = path or ""
    is_own = text.startswith("/admin/") and "\0" not in text and url_has_allowed_host_and_scheme(text, allowed_hosts=None)
    return text if is_own else ""


# Cells that say that there is nothing.
EMPTY_CELLS = {"", NOTHING, "None"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled table on a row's page. `empty` is the text shown when there are no rows; `note` is a paragraph above the table."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = ""
    note: str = ""

    @property
    def headings(self) -> list[tuple[str, bool]]:
        """Each header, and whether its column holds amounts alone: those headers are aligned right, like the digits below them."""
        columns = [[cell for row in self.rows if (cell := str(row[place])) not in EMPTY_CELLS] for place in range(len(self.headers))]
        amounts = [bool(cells) and all('class="money' in cell for cell in cells) for cells in columns]
        return list(zip(self.headers, amounts, strict=True))

    @property
    def labelled_rows(self) -> list[list[tuple[str, Any, bool]]]:
        """Each cell with its header, because on a narrow screen the cells stand below each other, each beside its header; and whether it is
        an amount in a column of other values, which is aligned left as they are. No amount is a dash below the amounts."""
        headings = self.headings
        return [
            [
                (title, NO_AMOUNT if is_right and str(cell) in EMPTY_CELLS else cell, not is_right and 'class="money' in str(cell))
                for (title, is_right), cell in zip(headings, row, strict=True)
            ]
            for row in self.rows
        ]


# Takes the row, the user and the tenants that the user may see. Returns None when it has nothing to show or the user may not see it.
PanelSource = Callable[[Any, Any, VisibleTenants], Panel | None]
_SOURCES: dict[str, list[PanelSource]] = {}


def register_panel(label: str, source: PanelSource) -> None:
    """Add a panel to the page of every row of a model. `label`: as "billing.transaction"."""
    _SOURCES.setdefault(label, []).append(source)


def registered_panels(label: str, row: Any, user: Any, scope: VisibleTenants) -> list[Panel]:
    panels = [source(row, user, scope) for source in _SOURCES.get(label, [])]
    return [panel for panel in panels if panel is not None]
