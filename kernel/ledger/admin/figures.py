"""Figures that lead to their rows: a list shows exactly the rows that a figure adds up, and says so.

A page links a figure with `figure_url`; the list of the figure's model has the filter below. What a figure is made of is registered once.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from kernel.ledger.base_models import LedgerRow
from kernel.ledger.clocks import CLOCK_TITLES, Clock
from kernel.ledger.moments import is_in_range, midnight

PARAMETER = "figure"


@dataclass(frozen=True, slots=True)
class Figure:
    """`rows`: those that it adds up, of all days and units. `unit`: the rows in one unit. `times`: the column of each clock's time.

    `of`: what else may narrow it, by name: the column that must have that value, or a condition made of the value.
    """

    title: str
    rows: Callable[[QuerySet[Any]], QuerySet[Any]]
    unit: Callable[[str], Q] = lambda unit: Q(currency=unit)
    times: Mapping[str, str] = field(default_factory=dict)
    of: Mapping[str, str | Callable[[str], Q]] = field(default_factory=dict)


_FIGURES: dict[tuple[str, str], Figure] = {}


def register_figure(label: str, name: str, figure: Figure) -> None:
    """`label`: the model whose rows it adds up, as "billing.transaction"."""
    _FIGURES[label, name] = figure


def has_figure(label: str, name: str) -> bool:
    return (label, name) in _FIGURES


def figure_url(
    label: str, name: str, *, unit: str = "", clock: str = "", since: date | None = None, until: date | None = None, **of: Any
) -> str:
    """The list of the rows. `since` and `until`: days in UTC, both counted; None: without an end."""
    parts = {"name": name, "unit": unit, "clock": str(clock), "since": since and f"{since}", "until": until and f"{until}"}
    wanted = {key: value for key, value in (parts | {key: str(value) for key, value in of.items()}).items() if value}
    # Lists of a ledger's rows show the last days only, unless they are asked for all.
    window = {"window": "all"} if issubclass(apps.get_model(label), LedgerRow) else {}
    query = urlencode({PARAMETER: json.dumps(wanted, separators=(",", ":")), **window})
    page = label.replace(".", "_")
    return f"{reverse(f'admin:{page}_changelist')}?{query}"


class FigureFilter(admin.SimpleListFilter):
    """Only where the address names a figure: the rows that it adds up."""

    title = "figure"
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.label = model_admin.model._meta.label_lower
        value = request.GET.get(PARAMETER)
        return [(value, describe_figure(self.label, value))] if value else []

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The figure, and all rows."""
        for value, title in ((None, "All rows"), *self.lookup_choices):
            query = changelist.get_query_string({PARAMETER: value} if value else {}, [] if value else [PARAMETER])
            yield {"selected": self.value() == value, "query_string": query, "display": title}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        return queryset if value is None else rows_of_figure(self.label, value, queryset)


def rows_of_figure(label: str, value: str, queryset: QuerySet) -> QuerySet:
    """Raises IncorrectLookupParameters, which removes the filter."""
    try:
        figure, wanted = _parsed(label, value)
        rows = figure.rows(queryset)
        if "unit" in wanted:
            rows = rows.filter(figure.unit(wanted["unit"]))
        for end, lookup, days in (("since", "gte", 0), ("until", "lt", 1)):
            if end in wanted:
                rows = rows.filter(**{f"{figure.times[wanted['clock']]}__{lookup}": _midnight_of(wanted[end]) + timedelta(days=days)})
        for name, of in figure.of.items():
            if name in wanted:
                rows = rows.filter(of(wanted[name]) if callable(of) else Q(**{of: wanted[name]}))
        return rows
    except (AttributeError, KeyError, TypeError, ValueError, ValidationError):
        raise IncorrectLookupParameters from None


def _midnight_of(text: str) -> datetime:
    """Raises ValueError for what is no day of the ledgers."""
    day = date.fromisoformat(text)
    if not is_in_range(day):
        raise ValueError(day)
    return midnight(day)


def describe_figure(label: str, value: str) -> str:
    """`Billed, USD, from 2026-11-01, by the time it happened`; empty for what is no figure."""
    try:
        figure, wanted = _parsed(label, value)
        clock = CLOCK_TITLES[Clock(wanted["clock"])].lower() if "clock" in wanted else ""
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
    since, until = wanted.get("since", ""), wanted.get("until", "")
    days = since if since == until else " ".join(part for part in (since and f"from {since}", until and f"to {until}") if part)
    of = (wanted[name] for name in figure.of if name in wanted and not name.endswith("_id"))
    return ", ".join(part for part in (figure.title, *of, wanted.get("unit", ""), days, clock) if part)


def _parsed(label: str, value: str) -> tuple[Figure, dict[str, str]]:
    wanted = json.loads(value)
    if not all(isinstance(part, str) for part in wanted.values()):
        raise TypeError(value)
    return _FIGURES[label, wanted["name"]], wanted
