"""Reading backfill runs."""

from collections.abc import Iterator
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from kernel.backfills.models import BackfillReject, BackfillRun
from kernel.ledger.errors import NotFound

T = TypeVar("T")


def get_run(*, run: str, command: str = "") -> BackfillRun:
    """The run with this id, or the one id that begins or ends so. Raises NotFound."""
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
    """Newest first, over all tenants where none is named."""
    runs = BackfillRun.objects.select_related("tenant").order_by("-id")
    if tenant_id is not None:
        runs = runs.filter(tenant_id=tenant_id)
    return runs.filter(state=state) if state else runs


def latest_runs_of_file(*, tenant_id: UUID, command: str, file_digest: str) -> QuerySet[BackfillRun]:
    return BackfillRun.objects.filter(tenant_id=tenant_id, command=command, file_digest=file_digest).order_by("-id")


def stream_rejects(*, run: BackfillRun) -> Iterator[BackfillReject]:
    """A run's rejects in the file's order, through a server-side cursor."""
    rejects = BackfillReject.objects.filter(tenant_id=run.tenant_id, run_id=run.id).order_by("line")
    return rejects.iterator(chunk_size=1000)


def newest_page(rows: QuerySet[Any, T], *, below: UUID | None, at_most: int) -> QuerySet[Any, T]:
    """Up to so many rows, the newest first, of those older than `below`; None: of all. Ids ascend with time."""
    older = rows if below is None else rows.filter(id__lt=below)
    return older.order_by("-id")[:at_most]


def count_rejects(*, run: BackfillRun) -> int:
    return BackfillReject.objects.filter(tenant_id=run.tenant_id, run_id=run.id).count()
