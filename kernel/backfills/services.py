"""Backfill runs: made by a plan, moved by each batch, paused, resumed, finished, taken back. The only place that writes them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from kernel.backfills.choices import MAY_APPLY, MAY_UNDO, RunState
from kernel.backfills.errors import RunMoved
from kernel.backfills.models import BackfillReject, BackfillRun
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import NotFound, WrongState


@translate_db_errors
def create_run(*, tenant_id: UUID, actor: str, facts: Mapping[str, Any]) -> BackfillRun:
    """Keep a plan. `facts`: the columns of BackfillRun that describe the file and what was found."""
    return BackfillRun.objects.create(tenant_id=tenant_id, actor=actor, **facts)


@translate_db_errors
def begin(*, run: BackfillRun, source: str) -> None:
    """Set a run going, or going again, on a file that may have been moved. Raises WrongState."""
    now = timezone.now()
    _move(run, MAY_APPLY, state=RunState.RUNNING, source=source, started_at=run.started_at or now, moved_at=now, stopped_because="")


def advance(*, run: BackfillRun, position: int, rejects: Sequence[BackfillReject], **checkpoint: Any) -> None:
    """Move the checkpoint to `position`, with `line`, `offset`, `counts` and `sums`. Belongs in the transaction that posted the rows.

    Raises RunMoved where the run isn't running or stands elsewhere than we think: nothing of the transaction may stay then.
    """
    running = BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id, state=RunState.RUNNING, position=run.position)
    moved = running.update(position=position, moved_at=timezone.now(), **checkpoint)
    if not moved:
        raise RunMoved(id=str(run.id), position=run.position)
    if rejects:
        BackfillReject.objects.bulk_create(rejects)


@translate_db_errors
def finish(*, run: BackfillRun) -> None:
    """Mark a run as done. Raises WrongState."""
    _move(run, (RunState.RUNNING,), state=RunState.FINISHED, finished_at=timezone.now(), stopped_because="")


@translate_db_errors
def interrupt(*, run: BackfillRun, because: str) -> None:
    """Note why a run stands still; it may be resumed."""
    BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id, state__in=(RunState.RUNNING, RunState.PAUSED)).update(
        state=RunState.INTERRUPTED, stopped_because=because[:2000], moved_at=timezone.now()
    )
    run.refresh_from_db()


@translate_db_errors
def pause_run(*, tenant_id: UUID, run_id: UUID, actor: str) -> BackfillRun:
    """Ask a running run to stand still at the end of its batch. Its process waits. Raises NotFound, WrongState."""
    run = _get(tenant_id, run_id)
    _move(run, (RunState.RUNNING,), state=RunState.PAUSED, stopped_because=f"paused by {actor}")
    return run


@translate_db_errors
def resume_run(*, tenant_id: UUID, run_id: UUID, actor: str) -> BackfillRun:
    """Let a paused run go on: its process looks every second. Raises NotFound, WrongState."""
    run = _get(tenant_id, run_id)
    _move(run, (RunState.PAUSED,), state=RunState.RUNNING, stopped_because=f"resumed by {actor}")
    return run


@translate_db_errors
def begin_undo(*, run: BackfillRun, undone_by: str) -> None:
    """Raises WrongState where nothing can be taken back."""
    _move(run, MAY_UNDO, state=RunState.UNDOING, undone_by=undone_by, moved_at=timezone.now())


def advance_undo(*, run: BackfillRun, reversed_rows: int) -> None:
    """Count rows taken back; belongs in the transaction that reversed them. Raises RunMoved."""
    moved = BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id, state=RunState.UNDOING).update(
        undone_rows=F("undone_rows") + reversed_rows, moved_at=timezone.now()
    )
    if not moved:
        raise RunMoved(id=str(run.id), position=run.position)


@translate_db_errors
def finish_undo(*, run: BackfillRun) -> None:
    _move(run, (RunState.UNDOING,), state=RunState.UNDONE, undone_at=timezone.now())


def _get(tenant_id: UUID, run_id: UUID) -> BackfillRun:
    run = BackfillRun.objects.filter(tenant_id=tenant_id, id=run_id).first()
    if run is None:
        raise NotFound(kind="run", id=str(run_id))
    return run


def _move(run: BackfillRun, allowed: Sequence[str], **changes: Any) -> None:
    """Compare and set: the state decides, not what we read a moment ago."""
    with transaction.atomic():
        moved = BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id, state__in=allowed).update(**changes)
    run.refresh_from_db()
    if not moved:
        raise WrongState(id=str(run.id), state=run.state, allowed=list(allowed))
