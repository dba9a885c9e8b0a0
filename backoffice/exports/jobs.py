"""What a list shows, as a file: exactly what is filtered there, for exactly the tenants that the reader may see."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import DataError, connections, models, transaction
from django.http import Http404, HttpRequest, QueryDict
from django.test.client import RequestFactory
from django.urls import Resolver404, resolve
from django.utils import timezone

from backoffice.exports.spreadsheets import CHUNK, csv_lines, write_excel
from backoffice.models import Export

log = structlog.get_logger(__name__)

# More rows than this are written behind a progress page.
MOST_AT_ONCE = 20_000
KEPT_FOR = timedelta(days=7)
# A file that has not grown for so long is not being written any more.
DEAD_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Extract:
    """The rows behind a list's address."""

    title: str
    headers: list[str]
    rows: Any

    def stream(self) -> Iterator[tuple[Any, ...]]:
        """Every row, through a cursor on the server; a transaction keeps it open, and all rows of one moment."""
        with transaction.atomic():
            yield from self.rows.iterator(chunk_size=CHUNK * 2)

    @property
    def count(self) -> int:
        """How many rows, no further than it matters."""
        return len(self.rows.order_by().values_list("pk", flat=True)[: MOST_AT_ONCE + 1])


def extract(request: HttpRequest, address: str) -> Extract:
    """The rows of the list at `address` (a path with its query). Raises Http404, PermissionDenied."""
    parts = urlsplit(address)
    try:
        match = resolve(parts.path)
    except Resolver404:
        raise Http404 from None
    page = next((page for page in admin.site._registry.values() if match.view_name == _list_name(page)), None)
    if page is None:
        raise Http404
    label = page.model._meta
    if not page.has_view_permission(request) or not request.user.has_perm(f"{label.app_label}.export_{label.model_name}"):
        raise PermissionDenied
    # The list itself says which rows: its own filters, search and limits, asked with its own query.
    asked = RequestFactory().get(parts.path)
    asked.GET, asked.user = QueryDict(parts.query), request.user
    fields = [field for field in page.model._meta.concrete_fields if not isinstance(field, models.BinaryField)]
    try:
        rows = page.get_changelist_instance(asked).queryset.values_list(*(field.attname for field in fields))
    except (IncorrectLookupParameters, OverflowError, DataError):
        raise Http404 from None
    return Extract(title=str(label.verbose_name_plural), headers=[field.attname for field in fields], rows=rows)


def _list_name(page: Any) -> str:
    return f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"


def lines(found: Extract) -> Iterator[str]:
    return csv_lines(found.headers, found.stream())


def file_of(export: Export) -> Path:
    return Path(settings.EXPORT_FOLDER) / f"{export.pk}.{export.format}"


def begin(request: HttpRequest, found: Extract, *, address: str) -> Export:
    """Start to write a workbook in the background, and clear away what is too old."""
    _clear()
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


def write(export: Export, found: Extract) -> None:
    """Write the workbook, and say in its row how far it is and how it ended."""
    path = file_of(export)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")

    def moved(rows: int) -> None:
        # On a connection of its own kind: the rows' own transaction is still open, and nobody would see it.
        progress[0] = rows
        if rows % (CHUNK * 10) == 0:
            _report(export, rows)

    progress = [0]
    try:
        count = write_excel(unfinished, found.headers, found.stream(), moved=moved)
        unfinished.rename(path)
        _finish(export, state=Export.State.READY, rows=count, bytes=path.stat().st_size)
    except Exception as error:
        log.exception("export_failed", export=str(export.pk))
        unfinished.unlink(missing_ok=True)
        _finish(export, state=Export.State.FAILED, rows=progress[0], error=type(error).__name__)


def _report(export: Export, rows: int) -> None:
    """From a thread of its own, with its own connection: the one that reads the rows is inside their transaction."""
    teller = threading.Thread(target=_tell, args=(export, rows))
    teller.start()
    teller.join()


def _tell(export: Export, rows: int) -> None:
    try:
        Export.objects.filter(pk=export.pk).update(rows=rows, moved_at=timezone.now())
    finally:
        connections.close_all()


def _finish(export: Export, **facts: Any) -> None:
    Export.objects.filter(pk=export.pk).update(moved_at=timezone.now(), **facts)


def _in_thread(export: Export, found: Extract) -> None:
    try:
        write(export, found)
    finally:
        connections.close_all()


def is_dead(export: Export) -> bool:
    return export.state == Export.State.WRITING and export.moved_at < timezone.now() - DEAD_AFTER


def _expected(found: Extract) -> int:
    """How many rows the planner believes there are: for a progress bar, which needs no more."""
    with connections[found.rows.db].cursor() as cursor:
        statement, parameters = found.rows.order_by().query.sql_with_params()
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        plan = cursor.fetchone()[0]
    return int(plan[0]["Plan"]["Plan Rows"])


def _clear() -> None:
    for export in Export.objects.filter(created_at__lt=timezone.now() - KEPT_FOR):
        file_of(export).unlink(missing_ok=True)
        export.delete()
