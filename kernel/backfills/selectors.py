"""Reads of backfill runs and uploaded files."""

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from kernel.backfills.choices import ENDED, WAITING_STATES, WORKING, RunState, UploadState
from kernel.backfills.models import BackfillReject, BackfillRun, BackfillUpload, BackfillUploadStep
from kernel.corrections.selectors import is_within_threshold
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


def next_upload(*, without: Collection[UUID]) -> BackfillUpload | None:
    """The oldest upload of any tenant that has work to do."""
    working = BackfillUpload.objects.select_related("tenant", "run").filter(state__in=WORKING)
    return working.exclude(id__in=without).order_by("id").first()


def is_work_wanted(*, upload: BackfillUpload) -> bool:
    """Whether a person still wants the work that a process does on an upload. A plan is replaced by one that has not been tried yet."""
    state, tries = BackfillUpload.objects.values_list("state", "tries").get(tenant_id=upload.tenant_id, id=upload.id)
    return state == upload.state and (state != UploadState.PLANNING or tries == upload.tries)


def moves_of(run: BackfillRun) -> dict[str, Decimal]:
    """How much a planned run moves at most, by unit: the sum added or the sum taken, whichever is larger."""
    return {unit: Decimal(amount) for unit, amount in run.plan.get("moves", {}).items()}


def needs_approval(run: BackfillRun) -> bool:
    """Whether the run moves more than one person may, by the tenant's threshold for corrections."""
    return not is_within_threshold(tenant_id=run.tenant_id, size=moves_of(run))


def list_waiting_uploads() -> QuerySet[BackfillUpload]:
    """Uploads of all tenants that wait for another person's approval."""
    return BackfillUpload.objects.filter(state__in=WAITING_STATES)


def list_old_uploads(*, before: datetime) -> QuerySet[BackfillUpload]:
    """Uploads of all tenants whose file is of no more use, and of which nothing was heard since."""
    return BackfillUpload.objects.filter(state__in=ENDED, moved_at__lt=before, file_deleted_at=None).order_by("id")


def list_steps(*, upload: BackfillUpload) -> QuerySet[BackfillUploadStep]:
    """What people did with the upload, the first step first."""
    return BackfillUploadStep.objects.filter(tenant_id=upload.tenant_id, upload_id=upload.id).order_by("created_at", "id")


def list_undone_runs(*, tenant_id: UUID, command: str, at_most: int) -> list[BackfillRun]:
    """Runs that were taken back, the newest first."""
    return list(BackfillRun.objects.filter(tenant_id=tenant_id, command=command, state=RunState.UNDONE).order_by("-id")[:at_most])
