"""Writes uploaded files: what people do with them, each as a step of the record, and how far the background work has come.

A person's step locks the upload and looks again: a form that is submitted twice is one step, by its id, and a form that is older than the
newest plan changes nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from kernel.backfills.choices import (
    ENDED,
    MAY_PLAN,
    MAY_REQUEST_UNDO,
    WAITING_STATES,
    RunState,
    StepName,
    UploadState,
)
from kernel.backfills.models import BackfillRun, BackfillUpload, BackfillUploadStep
from kernel.backfills.selectors import moves_of, needs_approval
from kernel.corrections.errors import NotTheRequester, OwnRequest
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, NotFound, WrongState

WORK = "backfills.work_on_uploads"


@dataclass(frozen=True)
class Step:
    """Who takes a step, by which form and request, and why."""

    id: UUID
    actor: str
    request_id: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ReceivedFile:
    """A file as it was received. `size` in bytes, `digest`: SHA-256."""

    name: str
    size: int
    digest: str


@translate_db_errors
def add_upload(*, tenant_id: UUID, upload_id: UUID, command: str, file: ReceivedFile, step: Step) -> BackfillUpload:
    """Keep an uploaded file and have it planned. The same form submitted twice adds one: the first is returned."""
    with transaction.atomic():
        upload, is_new = BackfillUpload.objects.get_or_create(
            tenant_id=tenant_id,
            id=upload_id,
            defaults={
                "command": command,
                "file_name": file.name,
                "file_size": file.size,
                "file_digest": file.digest,
                "actor": step.actor,
            },
        )
        if is_new:
            _record(upload, StepName.UPLOADED, step)
            _enqueue_work()
    return upload


@translate_db_errors
def plan_upload(*, tenant_id: UUID, upload_id: UUID, command: str, arguments: Sequence[str], step: Step) -> BackfillUpload:
    """Have the file planned (again) with these options. Raises NotFound, WrongState."""
    with transaction.atomic():
        upload, is_new = _lock(tenant_id, upload_id, step)
        if is_new:
            _require(upload, MAY_PLAN)
            _record(upload, StepName.PLANNED, step)
            _change(upload, state=UploadState.PLANNING, command=command, arguments=list(arguments), problem="", done=0, tries=0)
            _enqueue_work()
    return upload


@translate_db_errors
def cancel_plan(*, tenant_id: UUID, upload_id: UUID, step: Step) -> BackfillUpload:
    """End a plan that is being made; its process stops after the rows in hand. Raises NotFound, WrongState."""
    with transaction.atomic():
        upload, is_new = _lock(tenant_id, upload_id, step)
        if is_new:
            _require(upload, (UploadState.PLANNING,))
            _record(upload, StepName.CANCELLED, step)
            _change(upload, state=UploadState.REFUSED, problem="The plan was cancelled before the whole file was read.")
    return upload


@translate_db_errors
def request_apply(*, tenant_id: UUID, upload_id: UUID, run_id: UUID, step: Step) -> BackfillUpload:
    """Have the plan posted, or ask for approval where it moves more than one person may. Raises NotFound, WrongState."""
    with transaction.atomic():
        upload, is_new = _lock(tenant_id, upload_id, step, run_id=run_id)
        if is_new:
            _require(upload, (UploadState.PLANNED,))
            _request(upload, step, (StepName.APPLY, UploadState.APPLYING), (StepName.REQUEST_APPLY, UploadState.REQUESTED))
    return upload


@translate_db_errors
def request_undo(*, tenant_id: UUID, upload_id: UUID, run_id: UUID, step: Step) -> BackfillUpload:
    """Have what was posted taken back, with a reason, or ask for approval. Raises NotFound, WrongState, InvalidValue (no reason)."""
    _require_reason(step)
    with transaction.atomic():
        upload, is_new = _lock(tenant_id, upload_id, step, run_id=run_id)
        if is_new:
            _require(upload, MAY_REQUEST_UNDO)
            _request(upload, step, (StepName.UNDO, UploadState.UNDOING), (StepName.REQUEST_UNDO, UploadState.UNDO_REQUESTED))
    return upload


@translate_db_errors
def decide_upload(*, tenant_id: UUID, upload_id: UUID, run_id: UUID, is_approved: bool, step: Step) -> BackfillUpload:
    """Another person approves or rejects what was requested; a rejection needs a reason.

    Raises NotFound, WrongState, OwnRequest, InvalidValue.
    """
    if not is_approved:
        _require_reason(step)
    with transaction.atomic():
        upload, is_new = _lock(tenant_id, upload_id, step, run_id=run_id)
        if is_new:
            _require(upload, WAITING_STATES)
            if upload.requested_by == step.actor:
                raise OwnRequest
            _record(upload, StepName.APPROVED if is_approved else StepName.REJECTED, step)
            if is_approved:
                state = UploadState.APPLYING if upload.state == UploadState.REQUESTED else UploadState.UNDOING
                _begin(upload, state, decided_by=step.actor)
            else:
                _change(upload, state=_state_before(upload), requested_by="", moves={})
    return upload


@translate_db_errors
def withdraw_upload(*, tenant_id: UUID, upload_id: UUID, step: Step) -> BackfillUpload:
    """Who requested it takes the request back. Raises NotFound, WrongState, NotTheRequester."""
    with transaction.atomic():
        upload, is_new = _lock(tenant_id, upload_id, step)
        if is_new:
            _require(upload, WAITING_STATES)
            if upload.requested_by != step.actor:
                raise NotTheRequester
            _record(upload, StepName.WITHDRAWN, step)
            _change(upload, state=_state_before(upload), requested_by="", moves={})
    return upload


@translate_db_errors
def pause_upload(*, tenant_id: UUID, upload_id: UUID, step: Step) -> BackfillUpload:
    """End the posting after its current batch. Raises NotFound, WrongState."""
    with transaction.atomic():
        upload, is_new = _lock(tenant_id, upload_id, step)
        if is_new:
            _require(upload, (UploadState.APPLYING,))
            _record(upload, StepName.PAUSED, step)
            _change(upload, state=UploadState.PAUSED)
    return upload


@translate_db_errors
def continue_upload(*, tenant_id: UUID, upload_id: UUID, step: Step) -> BackfillUpload:
    """Let a paused or stopped posting, or a stopped undo, go on. What was approved stays approved. Raises NotFound, WrongState."""
    with transaction.atomic():
        upload, is_new = _lock(tenant_id, upload_id, step)
        if is_new:
            _require(upload, (UploadState.PAUSED, UploadState.STOPPED))
            _record(upload, StepName.CONTINUED, step)
            is_undo = upload.run is not None and upload.run.state == RunState.UNDOING
            _begin(upload, UploadState.UNDOING if is_undo else UploadState.APPLYING, decided_by=upload.decided_by)
    return upload


# ---- the background work


def begin_try(*, upload: BackfillUpload, done: int) -> None:
    """Note that the work begins with so many rows done. A try that begins where the one before it began is one more of them."""
    is_another = upload.state == UploadState.PLANNING or done == upload.done
    tries = upload.tries + 1 if is_another else 1
    _change(upload, done=done, tries=tries)


def save_look(*, upload: BackfillUpload, look: Mapping[str, Any], arguments: Sequence[str]) -> None:
    _note(upload, look=dict(look), arguments=list(arguments))


def save_bytes_read(*, upload: BackfillUpload, done: int) -> None:
    _note(upload, done=done)


def end_work(*, upload: BackfillUpload, state: UploadState, run: BackfillRun | None = None, problem: str = "") -> None:
    """The work's outcome. A step that a person took meanwhile stands: a pause, or another plan, which has not been tried yet."""
    _note(upload, state=state, problem=problem[:20_000], tries=0, **({} if run is None else {"run_id": run.id}))
    upload.refresh_from_db()


@translate_db_errors
def record_file_deleted(*, upload: BackfillUpload, step: Step) -> bool:
    """Note that the file is deleted, where no work needs it any more. False if it does."""
    with transaction.atomic():
        locked, is_new = _lock(upload.tenant_id, upload.id, step)
        if not is_new or locked.state not in ENDED or locked.file_deleted_at is not None:
            return False
        _record(locked, StepName.FILE_DELETED, step)
        BackfillUpload.objects.filter(tenant_id=upload.tenant_id, id=upload.id).update(file_deleted_at=timezone.now())
    return True


def _lock(tenant_id: UUID, upload_id: UUID, step: Step, *, run_id: UUID | None = None) -> tuple[BackfillUpload, bool]:
    """The upload, locked; and whether the step is new. Raises NotFound; WrongState for a form that shows an older plan."""
    upload = BackfillUpload.objects.select_for_update().filter(tenant_id=tenant_id, id=upload_id).first()
    if upload is None:
        raise NotFound(kind="uploaded file", id=str(upload_id))
    if BackfillUploadStep.objects.filter(tenant_id=tenant_id, id=step.id).exists():
        return upload, False
    if run_id is not None and upload.run_id != run_id:
        raise WrongState(id=upload.file_name, state="planned anew since this page was shown", allowed=["as it was shown: look again"])
    return upload, True


def _require(upload: BackfillUpload, allowed: Sequence[UploadState]) -> None:
    if upload.state not in allowed:
        allowed_titles = [str(state.label).lower() for state in allowed]
        raise WrongState(id=upload.file_name, state=upload.get_state_display().lower(), allowed=allowed_titles)


def _require_reason(step: Step) -> None:
    if not step.reason.strip() or "\0" in step.reason:
        raise InvalidValue(field="reason", reason="too_short", value=step.reason, min=1)


def _request(upload: BackfillUpload, step: Step, alone: tuple[StepName, UploadState], asked: tuple[StepName, UploadState]) -> None:
    """Begin, or wait for another person where the plan moves more than the tenant's threshold for one person."""
    run = upload.run
    if run is None:
        raise WrongState(id=upload.file_name, state="not planned", allowed=[str(UploadState.PLANNED.label).lower()])
    is_small = not needs_approval(run)
    what, state = alone if is_small else asked
    _record(upload, what, step)
    moves = {unit: f"{amount:f}" for unit, amount in moves_of(run).items()}
    _change(upload, state=state, moves=moves, requested_by=step.actor, decided_by="")
    if is_small:
        _begin(upload, state, decided_by="")


def _begin(upload: BackfillUpload, state: UploadState, *, decided_by: str) -> None:
    _change(upload, state=state, decided_by=decided_by, problem="", tries=0)
    _enqueue_work()


def _state_before(upload: BackfillUpload) -> UploadState:
    """The state that a request for approval goes back to."""
    if upload.state == UploadState.REQUESTED:
        return UploadState.PLANNED
    is_finished = upload.run is not None and upload.run.state == RunState.FINISHED
    return UploadState.APPLIED if is_finished else UploadState.PAUSED


def _change(upload: BackfillUpload, **changes: Any) -> None:
    BackfillUpload.objects.filter(tenant_id=upload.tenant_id, id=upload.id).update(**changes, moved_at=timezone.now())
    upload.refresh_from_db()


def _note(upload: BackfillUpload, **changes: Any) -> None:
    """Save what a process found, unless a person has changed their mind since. `upload` keeps the state in which its work began."""
    begun = BackfillUpload.objects.filter(tenant_id=upload.tenant_id, id=upload.id, state=upload.state)
    if upload.state == UploadState.PLANNING:
        # A plan that was asked for since has not been tried yet.
        begun = begun.filter(tries=upload.tries)
    if begun.update(**changes, moved_at=timezone.now()):
        for name, value in changes.items():
            setattr(upload, name, value)


def _record(upload: BackfillUpload, what: StepName, step: Step) -> None:
    BackfillUploadStep.objects.create(
        id=step.id,
        tenant_id=upload.tenant_id,
        upload_id=upload.id,
        run_id=upload.run_id,
        what=what,
        actor=step.actor,
        reason=step.reason.strip()[:2000],
        request_id=step.request_id,
    )


def _enqueue_work() -> None:
    """Have a worker look at once. Without one, the next periodic look finds the upload by its state."""
    with suppress(AlreadyEnqueued), transaction.atomic():
        app.configure_task(WORK, queueing_lock=WORK).defer(timestamp=int(timezone.now().timestamp()))
