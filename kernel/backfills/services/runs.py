"""Writes backfill runs: create, checkpoint, pause, resume, finish, undo."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from kernel.backfills.choices import MAY_APPLY, MAY_UNDO, RunState
from kernel.backfills.errors import RunMoved
from kernel.backfills.models import BackfillReject, BackfillRun, BackfillShare
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import NotFound, WrongState

STATE_OF_RUN = "SELECT id, state FROM backfills_run WHERE tenant_id = %s AND id = %s FOR SHARE"


@translate_db_errors
def create_run(*, tenant_id: UUID, actor: str, facts: Mapping[str, Any]) -> BackfillRun:
    """Create a run from a plan. `facts`: the columns of BackfillRun that describe the file and the plan."""
    return BackfillRun.objects.create(tenant_id=tenant_id, actor=actor, **facts)


@translate_db_errors
def start(*, run: BackfillRun, source: str) -> None:
    """Start or restart a run; `source` is where its file is now. Raises WrongState."""
    now = timezone.now()
    _move(run, MAY_APPLY, state=RunState.RUNNING, source=source, started_at=run.started_at or now, moved_at=now, stopped_because="")


def save_checkpoint(*, run: BackfillRun, position: int, rejects: Sequence[BackfillReject], **checkpoint: Any) -> None:
    """Set the checkpoint: `position`, `line`, `offset`, `counts`, `sums`. Call it in the transaction that posts the rows.

    Raises RunMoved if the run isn't running, or its position isn't that of `run`; the transaction must be rolled back then.
    """
    running = BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id, state=RunState.RUNNING, position=run.position)
    moved = running.update(position=position, moved_at=timezone.now(), **checkpoint)
    if not moved:
        raise RunMoved(id=str(run.id), position=run.position)
    if rejects:
        BackfillReject.objects.bulk_create(rejects)


@translate_db_errors
def begin_shares(*, run: BackfillRun, jobs: int) -> list[BackfillShare]:
    """Divide a run among `jobs` processes, once: a run that has begun keeps its shares, or posts in one process. Returns the shares."""
    with transaction.atomic():
        locked = BackfillRun.objects.select_for_update().get(tenant_id=run.tenant_id, id=run.id)
        if jobs > 1 and locked.jobs == 1 and locked.position == 0:
            BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id).update(jobs=jobs)
            shares = [BackfillShare(tenant_id=run.tenant_id, run_id=run.id, number=number) for number in range(jobs)]
            BackfillShare.objects.bulk_create(shares)
    run.refresh_from_db()
    return list(BackfillShare.objects.filter(tenant_id=run.tenant_id, run_id=run.id).order_by("number"))


def save_share(*, run: BackfillRun, share: BackfillShare, position: int, rejects: Sequence[BackfillReject], **checkpoint: Any) -> None:
    """Set a share's checkpoint, in the transaction that posts its rows. Raises RunMoved, as save_checkpoint does.

    The run is locked for reading: a pause or an undo waits for the end of this transaction, and other shares don't.
    """
    state = BackfillRun.objects.raw(STATE_OF_RUN, [run.tenant_id, run.id])[0].state
    unmoved = BackfillShare.objects.filter(tenant_id=run.tenant_id, id=share.id, position=share.position)
    if state != RunState.RUNNING or not unmoved.update(position=position, **checkpoint):
        raise RunMoved(id=str(run.id), position=share.position)
    if rejects:
        BackfillReject.objects.bulk_create(rejects)


@translate_db_errors
def add_up_shares(*, run: BackfillRun) -> None:
    """Set the run's position, counts and sums to those of its shares."""
    counts: Counter[str] = Counter()
    sums: dict[str, Decimal] = {}
    shares = list(BackfillShare.objects.filter(tenant_id=run.tenant_id, run_id=run.id))
    for share in shares:
        counts.update(share.counts)
        for unit, amount in share.sums.items():
            sums[unit] = sums.get(unit, Decimal(0)) + Decimal(amount)
    BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id).update(
        position=sum(share.position for share in shares),
        counts=dict(counts),
        sums={unit: f"{amount:f}" for unit, amount in sorted(sums.items())},
        moved_at=timezone.now(),
    )
    run.refresh_from_db()


@translate_db_errors
def finish(*, run: BackfillRun) -> None:
    """Mark a run as done. Raises WrongState."""
    _move(run, (RunState.RUNNING,), state=RunState.FINISHED, finished_at=timezone.now(), stopped_because="")


@translate_db_errors
def interrupt(*, run: BackfillRun, because: str) -> None:
    """Record why a run stopped; it may be resumed."""
    BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id, state__in=(RunState.RUNNING, RunState.PAUSED)).update(
        state=RunState.INTERRUPTED, stopped_because=because[:2000], moved_at=timezone.now()
    )
    run.refresh_from_db()


@translate_db_errors
def pause_run(*, tenant_id: UUID, run_id: UUID, actor: str) -> BackfillRun:
    """Pause a running run after its current batch; its process waits. Raises NotFound, WrongState."""
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
    """Start an undo. Raises WrongState."""
    _move(run, MAY_UNDO, state=RunState.UNDOING, undone_by=undone_by, moved_at=timezone.now())


def advance_undo(*, run: BackfillRun, reversed_rows: int) -> None:
    """Add to the number of reversed rows. Call it in the transaction that reverses them. Raises RunMoved."""
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
    """Update a run whose state is still one of `allowed`; the state read earlier may have changed. Raises WrongState."""
    with transaction.atomic():
        moved = BackfillRun.objects.filter(tenant_id=run.tenant_id, id=run.id, state__in=allowed).update(**changes)
    run.refresh_from_db()
    if not moved:
        raise WrongState(id=str(run.id), state=run.state, allowed=list(allowed))
