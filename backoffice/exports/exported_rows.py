"""What an exported file has of a list: its rows, their columns, what people call these, and the unit of each amount."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils.text import capfirst

from backoffice.exports.changelists import changelist_at
from backoffice.exports.spreadsheets import CHUNK
from kernel.ledger.admin.searching import NEWEST
from kernel.ledger.identifiers import code_in_words
from kernel.ledger.money import PLACES

# The columns that name a row which another row refers to.
NAMES = ("name", "username")


@dataclass(frozen=True, slots=True)
class ExportedRows:
    """The rows that a list filters, with the columns of their file."""

    title: str
    headers: list[str]
    rows: Any
    # What people call each column, and its values where they are codes: for a workbook, which people read. Programs read CSV.
    words: list[str]
    values: Sequence[Mapping[Any, Any]]
    # Puts names in the place of codes in rows of a workbook.
    set_words: Callable[[list[dict[str, Any]]], None]
    # For each column of amounts, the places of the columns that may have its unit, the likeliest first; None for other columns.
    units: Sequence[Sequence[int] | None] = ()

    def stream_in_words(self) -> Iterator[tuple[Any, ...]]:
        """The rows with the words of codes, and the names of people."""
        rows = self.stream()
        while named := [dict(zip(self.headers, row, strict=True)) for row in islice(rows, CHUNK)]:
            self.set_words(named)
            for row in named:
                yield tuple(words.get(value, value) if words else value for value, words in zip(row.values(), self.values, strict=True))

    def stream(self) -> Iterator[tuple[Any, ...]]:
        """Every row through a server-side cursor. The transaction keeps the cursor open and gives one snapshot."""
        with transaction.atomic():
            yield from self.rows.iterator(chunk_size=CHUNK * 2)

    def has_more_than(self, number: int) -> bool:
        return len(self.rows.order_by().values_list("pk", flat=True)[: number + 1]) > number


def exported_rows(request: HttpRequest, address: str) -> ExportedRows:
    """The rows of the list at `address`. Raises Http404, PermissionDenied."""
    changelist: Any = changelist_at(request, address)
    page = changelist.model_admin
    label = page.model._meta
    if not request.user.has_perm(f"{label.app_label}.export_{label.model_name}"):
        raise PermissionDenied
    columns = _columns(page)
    rows = changelist.queryset.values_list(*columns.values())
    fields = {field.attname: field for field in page.model._meta.concrete_fields}
    values = [dict(fields[name].flatchoices or ()) if name in fields else {} for name in columns]
    title, words = str(label.verbose_name_plural), _words(page, columns)
    if getattr(changelist.request, "is_search_of_newest", False):
        title += f" found in the newest {NEWEST}"
    return ExportedRows(
        title=title,
        headers=list(columns),
        rows=rows,
        words=words,
        values=values,
        set_words=getattr(page, "set_words", lambda rows: None),
        units=_units(page, columns),
    )


def _words(page: Any, columns: Iterable[str]) -> list[str]:
    """What the list calls each column of a file. Of a row that another one names, the file has the id and the name."""
    fields = {field.attname: field for field in page.model._meta.concrete_fields}
    named = {f"{field.name}_{name}": field for field in fields.values() for name in NAMES}
    found = []
    for column in columns:
        field = fields.get(column) or named.get(column)
        label = page.label_of(field) if field is not None else code_in_words(column)
        found.append(capfirst(f"ID of {label}" if field is not None and field.is_relation and column in fields else label))
    # Two columns of one name would be one column to a pivot table.
    return [f"{words} ({column})" if found.count(words) > 1 else words for words, column in zip(found, columns, strict=True)]


def _columns(page: Any) -> dict[str, Any]:
    """The columns of a list's file, each with where its value comes from: the fields, the names of rows that they refer to, and what the
    page adds (`export_columns`)."""
    columns: dict[str, Any] = {}
    for field in page.model._meta.concrete_fields:
        if isinstance(field, models.BinaryField):
            continue
        columns[field.attname] = F(field.attname)
        related = field.related_model
        name = next((name for name in NAMES if related and name in {each.name for each in related._meta.concrete_fields}), None)
        if name is not None:
            columns[f"{field.name}_{name}"] = F(f"{field.name}__{name}")
    return columns | dict(getattr(page, "export_columns", {}))


def _units(page: Any, columns: Mapping[str, Any]) -> list[tuple[int, ...] | None]:
    """Where each amount's unit is. What a customer paid for credit is money, also for credit in units of a metric."""
    names = list(columns)
    fields = {field.attname: field for field in page.model._meta.concrete_fields}
    amounts = {name for name, field in fields.items() if isinstance(field, models.DecimalField) and field.decimal_places == PLACES}
    amounts |= {name for name in ("effect", "cost", "cost_estimated") if name in columns}
    found: list[tuple[int, ...] | None] = []
    for name in names:
        own = ("currency",) if name in {"cost_of_credit", "cost_basis"} else ("unit", "metric_id", page.currency_path, "cost_currency")
        found.append(tuple(names.index(unit) for unit in own if unit in columns) if name in amounts else None)
    return found
