"""Reads of backfill runs."""

from collections.abc import Iterator
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from kernel.backfills.models import BackfillReject, BackfillRun
from kernel.ledger.errors import NotFound

T = TypeVar("T")


def get_run(*, run: str, command: str = "") -> BackfillRun:
    """The run with this id, or the only one whose id begins or ends with it. Raises NotFound."""
    runs = BackfillRun.objects.select_related("tenant")
    if command:
        runs = runs.filter(command=command)
    try:
        found = list(runs.filter(id=UUID(run)))
    except ValueError:
        written = runs.annotate(written=Cast("id", TextField()))
        found = list(written.filter(Q(written__startswith=run.lower()) | Q(written__endswith=run.lower()))[:2])
    if len(found) != 1:
        raise NotFound(kind="run", id=run)
    return found[0]


def list_runs(*, tenant_id: UUID | None = None, state: str = "") -> QuerySet[BackfillRun]:
    """Runs, newest first; of all tenants without `tenant_id`."""
    runs = BackfillRun.objects.select_related("tenant").order_by("-id")
    if tenant_id is not None:
        runs = runs.filter(tenant_id=tenant_id)
    return runs.filter(state=state) if state else runs


def stream_rejects(*, run: BackfillRun) -> Iterator[BackfillReject]:
    """A run's rejects by line, through a server-side cursor."""
    rejects = BackfillReject.objects.filter(tenant_id=run.tenant_id, run_id=run.id).order_by("part", "line")
    return rejects.iterator(chunk_size=1000)


def newest_page(rows: QuerySet[Any, T], *, below: UUID | None, at_most: int) -> QuerySet[Any, T]:
    """Up to `at_most` rows with ids below `below` (None: all rows), newest first. Ids ascend with time."""
    older = rows if below is None else rows.filter(id__lt=below)
    return older.order_by("-id")[:at_most]


def count_rejects(*, run: BackfillRun) -> int:
    return BackfillReject.objects.filter(tenant_id=run.tenant_id, run_id=run.id).count()
