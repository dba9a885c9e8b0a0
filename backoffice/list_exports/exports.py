"""Exports of a list to a file: the rows that its filters choose, of the tenants that the user may see."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import EmptyResultSet, PermissionDenied
from django.db import DataError, connections, models, transaction
from django.db.models import F
from django.http import Http404, HttpRequest, QueryDict
from django.test.client import RequestFactory
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.text import capfirst

from backoffice.list_exports.spreadsheets import CHUNK, csv_lines, write_excel
from backoffice.models import Export
from kernel.ledger.admin.searching import NEWEST
from kernel.ledger.identifiers import code_in_words
from kernel.ledger.money import PLACES

log = structlog.get_logger(__name__)

# A workbook with more rows is written in the background, with a progress page.
MAX_DIRECT_ROWS = 20_000
# The columns that name a row which another row refers to.
NAMES = ("name", "username")
# How long files are kept.
MAX_AGE = timedelta(days=7)
# A file that hasn't grown for this long is no longer being written: its process was stopped.
DEAD_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ListRows:
    """The filtered rows of an admin list URL."""

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

    @property
    def count(self) -> int:
        """The number of rows, counted up to MAX_DIRECT_ROWS + 1."""
        return len(self.rows.order_by().values_list("pk", flat=True)[: MAX_DIRECT_ROWS + 1])


def listed(request: HttpRequest, address: str) -> tuple[Any, Any]:
    """The admin of the list at `address` (a path with its query), and its change list with every row that it filters, read by no page.

    Raises Http404, PermissionDenied.
    """
    parts = urlsplit(address)
    try:
        match = resolve(parts.path)
    except Resolver404:
        raise Http404 from None
    page = next((page for page in admin.site._registry.values() if match.view_name == _list_name(page)), None)
    if page is None:
        raise Http404
    if not page.has_view_permission(request):
        raise PermissionDenied
    # The changelist itself selects the rows, with its own filters, search and tenant limits.
    list_request: Any = RequestFactory().get(parts.path)
    list_request.GET, list_request.user, list_request.reads_every_row = QueryDict(parts.query), request.user, True
    try:
        changelist = page.get_changelist_instance(list_request)
        _check_values(changelist.queryset)
    except (IncorrectLookupParameters, OverflowError, DataError):
        raise Http404 from None
    return page, changelist


def _check_values(rows: Any) -> None:
    """Raises OverflowError or DataError for a value of a filter that is out of range: the database finds it in a plan, and reads no row."""
    with suppress(EmptyResultSet), transaction.atomic(), connections[rows.db].cursor() as cursor:
        statement, parameters = rows.query.sql_with_params()
        cursor.execute(f"EXPLAIN {statement}", parameters)


def list_rows(request: HttpRequest, address: str) -> ListRows:
    """The rows of the list at `address`. Raises Http404, PermissionDenied."""
    page, changelist = listed(request, address)
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
    return ListRows(
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


def _list_name(page: Any) -> str:
    return f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"


def lines(found: ListRows) -> Iterator[str]:
    return csv_lines(found.headers, found.stream())


def file_of(export: Export) -> Path:
    return Path(settings.EXPORT_FOLDER) / f"{export.pk}.{export.format}"


def begin(request: HttpRequest, found: ListRows, *, address: str) -> Export:
    """Start to write a workbook in the background."""
    export: Export = Export.objects.create(
        user_id=int(request.user.pk or 0),
        title=found.title,
        source=address,
        format="xlsx",
        expected=_expected(found),
        moved_at=timezone.now(),
    )
    threading.Thread(target=_in_thread, args=(export, found), name=f"export-{export.pk}", daemon=True).start()
    return export


def write(export: Export, found: ListRows) -> None:
    """Write the workbook; the Export row shows its progress and its outcome."""
    path = file_of(export)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")

    def moved(rows: int) -> None:
        progress[0] = rows
        if rows % (CHUNK * 10) == 0:
            _report(export, rows)

    progress = [0]
    try:
        count = write_excel(unfinished, found.words, found.stream_in_words(), moved=moved, title=found.title, units=found.units)
        unfinished.rename(path)
        _finish(export, state=Export.State.READY, rows=count, bytes=path.stat().st_size)
    except Exception as error:
        log.exception("export_failed", export=str(export.pk))
        unfinished.unlink(missing_ok=True)
        _finish(export, state=Export.State.FAILED, rows=progress[0], error=type(error).__name__)


def _report(export: Export, rows: int) -> None:
    """Update the progress from another thread, on its own connection: this one is in the transaction that reads the rows."""
    thread = threading.Thread(target=_update_progress, args=(export, rows))
    thread.start()
    thread.join()


def _update_progress(export: Export, rows: int) -> None:
    try:
        Export.objects.filter(pk=export.pk).update(rows=rows, moved_at=timezone.now())
    finally:
        connections.close_all()


def _finish(export: Export, **facts: Any) -> None:
    Export.objects.filter(pk=export.pk).update(moved_at=timezone.now(), **facts)


def _in_thread(export: Export, found: ListRows) -> None:
    try:
        write(export, found)
    finally:
        connections.close_all()


def is_dead(export: Export) -> bool:
    return export.state == Export.State.WRITING and export.moved_at < timezone.now() - DEAD_AFTER


def _expected(found: ListRows) -> int:
    """The planner's estimate of the number of rows, for the progress bar."""
    with connections[found.rows.db].cursor() as cursor:
        statement, parameters = found.rows.order_by().query.sql_with_params()
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        plan = cursor.fetchone()[0]
    return int(plan[0]["Plan"]["Plan Rows"])
