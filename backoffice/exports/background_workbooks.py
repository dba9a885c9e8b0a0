"""Writes a workbook of many rows in a thread. Its row of Export shows the progress and the outcome; the file is in EXPORT_FOLDER."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import connections
from django.http import HttpRequest
from django.utils import timezone

from backoffice.exports.exported_rows import ExportedRows
from backoffice.exports.spreadsheets import CHUNK, write_excel
from backoffice.models import Export

log = structlog.get_logger(__name__)

# A workbook with more rows is written here; one with fewer in the request that asks for it.
MAX_DIRECT_ROWS = 20_000
# How long files are kept.
MAX_AGE = timedelta(days=7)
# A file that hasn't grown for this long is no longer being written: its process was stopped.
STOPPED_AFTER = timedelta(minutes=5)


def path_of(export: Export) -> Path:
    return Path(settings.EXPORT_FOLDER) / f"{export.pk}.{export.format}"


def begin_workbook(request: HttpRequest, found: ExportedRows, *, address: str) -> Export:
    """Start to write a workbook in the background."""
    export: Export = Export.objects.create(
        user_id=int(request.user.pk or 0),
        title=found.title,
        source=address,
        format="xlsx",
        expected=_estimated_count(found),
        moved_at=timezone.now(),
    )
    threading.Thread(target=_write_in_thread, args=(export, found), name=f"export-{export.pk}", daemon=True).start()
    return export


def write_workbook(export: Export, found: ExportedRows) -> None:
    """Write the workbook; the Export row shows its progress and its outcome."""
    path = path_of(export)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")

    def moved(rows: int) -> None:
        progress[0] = rows
        if rows % (CHUNK * 10) == 0:
            _report_progress(export, rows)

    progress = [0]
    try:
        count = write_excel(unfinished, found.words, found.stream_in_words(), moved=moved, title=found.title, units=found.units)
        unfinished.rename(path)
        _finish(export, state=Export.State.READY, rows=count, bytes=path.stat().st_size)
    except Exception as error:
        log.exception("export_failed", export=str(export.pk))
        unfinished.unlink(missing_ok=True)
        _finish(export, state=Export.State.FAILED, rows=progress[0], error=type(error).__name__)


def _report_progress(export: Export, rows: int) -> None:
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


def _write_in_thread(export: Export, found: ExportedRows) -> None:
    try:
        write_workbook(export, found)
    finally:
        connections.close_all()


def has_stopped(export: Export) -> bool:
    return export.state == Export.State.WRITING and export.moved_at < timezone.now() - STOPPED_AFTER


def _estimated_count(found: ExportedRows) -> int:
    """The planner's estimate of the number of rows, for the progress bar."""
    with connections[found.rows.db].cursor() as cursor:
        statement, parameters = found.rows.order_by().query.sql_with_params()
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        plan = cursor.fetchone()[0]
    return int(plan[0]["Plan"]["Plan Rows"])
