"""The background work on uploaded files: plans them, posts what was asked for, takes it back.

A process takes an upload by a lock of its database session, which ends with it: whatever kills it, the next look finds the upload in the
same state and goes on from the run's checkpoint.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from django.db import DatabaseError

from kernel.backfills import selectors, services
from kernel.backfills.adapters import Adapter
from kernel.backfills.applying import locks
from kernel.backfills.applying.run_work import RunWork
from kernel.backfills.arguments.option_values import options_given
from kernel.backfills.arguments.parser import BATCH_SIZE, ReadingParser
from kernel.backfills.arguments.profiles import find_profile
from kernel.backfills.choices import WORKING, UploadState
from kernel.backfills.errors import BackfillStopped, BadSource, DatabaseLost, Interrupted, ReaderLost
from kernel.backfills.file_hints import DELIMITER_NAMES, other_delimiter
from kernel.backfills.known_commands import adapter_of
from kernel.backfills.models import BackfillRun, BackfillUpload
from kernel.backfills.planning import make_plan
from kernel.backfills.reading.files.records import CSV
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.sources import Source, find_source
from kernel.backfills.terminal.progress_bar import Progress
from kernel.backfills.terminal.stop_requests import Stop
from kernel.backfills.uploads.file_preview import preview_file
from kernel.backfills.uploads.stored_files import path_of
from kernel.base.error_messages import message_for_operator
from kernel.base.errors import DomainError
from kernel.ledger.database_errors import reason_for_operators
from kernel.ledger.errors import Busy, LedgerUnavailable, OutcomeUnknown

log = structlog.get_logger(__name__)

# How many processes of a deployment work on uploads at the same time.
MAX_AT_ONCE = 2
# After so many tries that began at the same place the work is given up.
MAX_TRIES = 5
# A compressed file of the allowed size may hold very many rows. More are brought in with the command.
MAX_ROWS = 5_000_000
LOOK_EVERY_SECONDS = 1.0
# What may be over the next time.
PASSING = (DatabaseLost, ReaderLost, Busy, LedgerUnavailable, OutcomeUnknown, DatabaseError)


class UploadStop(Stop):
    """Stops when a person paused or cancelled the work, when a signal asks for it, or when the worker that started this process is gone."""

    def __init__(self, upload: BackfillUpload, *, process: Stop) -> None:
        super().__init__()
        self.upload, self.process, self.parent = upload, process, os.getppid()
        self.looked_at = time.monotonic()

    def check(self) -> None:
        self.requested = self.requested or self.process.requested
        if os.getppid() != self.parent:
            raise Interrupted("The process that started this one is gone.")
        super().check()
        if time.monotonic() - self.looked_at >= LOOK_EVERY_SECONDS:
            self.looked_at = time.monotonic()
            if not selectors.is_work_wanted(upload=self.upload):
                raise Interrupted("Paused or cancelled.")


class PlanProgress(Progress):
    """Keeps how much of the file was read with the upload, for its page."""

    def __init__(self, upload: BackfillUpload, *, total: int) -> None:
        super().__init__(label="", total=total, unit="B", visible=False)
        self.upload, self.saved_at = upload, time.monotonic()

    def advance(self, count: int, *, note: str = "") -> None:
        super().advance(count, note=note)
        if time.monotonic() - self.saved_at >= LOOK_EVERY_SECONDS:
            self.saved_at = time.monotonic()
            services.save_bytes_read(upload=self.upload, done=self.done)


def work_on_uploads() -> int:
    """Work on each upload that has work, the oldest first. Returns how many pieces of work came to an end."""
    ended = 0
    with Stop() as stop, _free_slot() as is_free:
        seen: set[Any] = set()
        while is_free and not stop.requested and (upload := selectors.next_upload(without=seen)) is not None:
            seen.add(upload.id)
            ended += _claim(upload, stop)
    return ended


@contextmanager
def _free_slot() -> Iterator[bool]:
    """Takes one of the MAX_AT_ONCE slots; gives whether one was free."""
    with ExitStack() as held:
        yield any(held.enter_context(locks.try_lock(f"backfill uploads/{number}")) for number in range(MAX_AT_ONCE))


def _claim(upload: BackfillUpload, stop: Stop) -> bool:
    """Work on an upload, unless another process does. Whether its work came to an end."""
    with locks.try_lock(f"backfill upload/{upload.tenant_id}/{upload.id}") as is_free:
        upload.refresh_from_db()
        if not is_free or upload.state not in WORKING:
            return False
        services.begin_try(upload=upload, done=_rows_done(upload))
        if upload.tries > MAX_TRIES:
            _leave_to_a_person(
                upload, f"It was tried {MAX_TRIES} times and got no further. {upload.problem or 'Its process was ended each time.'}"
            )
            return True
        return _work(upload, UploadStop(upload, process=stop))


def _work(upload: BackfillUpload, stop: UploadStop) -> bool:
    try:
        WORK[UploadState(upload.state)](upload, stop)
    except Interrupted:
        return False
    except PASSING as passing:
        reason = str(passing) if isinstance(passing, BackfillStopped) else reason_for_operators(passing)
        log.warning("backfill_upload_tried", upload=str(upload.id), reason=reason)
        return False
    except BackfillStopped as stopped:
        _leave_to_a_person(upload, str(stopped))
    except DomainError as error:
        _leave_to_a_person(upload, message_for_operator(error))
    except OSError as error:
        _leave_to_a_person(upload, f"A file can't be read or written: {error.strerror}.")
    except Exception as error:
        log.exception("backfill_upload_failed", upload=str(upload.id))
        _leave_to_a_person(
            upload, f"It failed with {type(error).__name__}, which is no fault of the file. The log of the worker has the details."
        )
    return True


def _plan(upload: BackfillUpload, stop: UploadStop) -> None:
    adapter = adapter_of(upload.command)
    source = find_source(
        [str(path_of(upload))],
        format=_parsed_options(adapter, upload.arguments)["format"],
        layout=_options(adapter, upload.arguments).layout,
    )
    look = preview_file(source)
    if not upload.arguments:
        arguments = _proposed(adapter, source, look)
        source = replace(source, layout=_options(adapter, arguments).layout)
        services.save_look(upload=upload, look=preview_file(source), arguments=arguments)
    else:
        services.save_look(upload=upload, look=look, arguments=upload.arguments)
    given = _parsed_options(adapter, upload.arguments)
    again = next((one.removeprefix("--again=") for one in upload.arguments if one.startswith("--again=")), None)
    source, options = make_plan.source_and_options(adapter, upload.tenant, [str(path_of(upload))], given, again=again)
    run = make_plan.Plan(
        adapter=adapter,
        tenant=upload.tenant,
        source=source,
        options=options,
        actor=upload.actor,
        started_by=upload.actor,
        make_progress=lambda label, total, unit, done: PlanProgress(upload, total=total),
        stop=stop,
        most_rows=MAX_ROWS,
    ).make()
    services.end_work(upload=upload, state=UploadState.PLANNED, run=run)


def _apply(upload: BackfillUpload, stop: UploadStop) -> None:
    run = _run_of(upload)
    _run_work(upload, run, stop).apply(_source_of(upload, run), is_first=False)
    services.end_work(upload=upload, state=UploadState.APPLIED)


def _undo(upload: BackfillUpload, stop: UploadStop) -> None:
    _run_work(upload, _run_of(upload), stop).undo()
    services.end_work(upload=upload, state=UploadState.UNDONE)


WORK: dict[UploadState, Callable[[BackfillUpload, UploadStop], None]] = {
    UploadState.PLANNING: _plan,
    UploadState.APPLYING: _apply,
    UploadState.UNDOING: _undo,
}


def _run_work(upload: BackfillUpload, run: BackfillRun, stop: UploadStop) -> RunWork:
    def silent(label: str, total: int, unit: str, done: int) -> Progress:
        return Progress(label=label, total=total, unit=unit, visible=False, done=done)

    return RunWork(adapter=adapter_of(upload.command), run=run, make_progress=silent, stop=stop, batch_size=BATCH_SIZE)


def _parsed_options(adapter: Adapter, arguments: Sequence[str]) -> dict[str, Any]:
    """The options of an upload as the command line's parser gives them. Raises BadSource."""
    reading = [one for one in arguments if not one.startswith("--again=")]
    return vars(ReadingParser(adapter, title="The options").parse_args(reading))


def _options(adapter: Adapter, arguments: Sequence[str]) -> ReadingOptions:
    return options_given(adapter, _parsed_options(adapter, arguments), ReadingOptions())


def _proposed(adapter: Adapter, source: Source, look: dict[str, Any]) -> list[str]:
    """Options for a file that nobody has said anything about yet: those of the recognised profile, or its delimiter."""
    names = [one["name"] for one in look["profiles"] if one["command"] == adapter.command]
    if names:
        profile = find_profile(names[0], adapter=adapter)
        return profile.variant_of(source).arguments
    delimiter = other_delimiter(source) if source.format == CSV else ""
    return [f"--delimiter={DELIMITER_NAMES[delimiter]}"] if delimiter else []


def _source_of(upload: BackfillUpload, run: BackfillRun) -> Source:
    """The file at its place of today: the folder may have been moved since the plan."""
    path = path_of(upload)
    if not Path(path).is_file():
        raise BadSource(f"{path.name} is gone: files are kept for a limited time. Upload it again.")
    return find_source([str(path)], format=run.format, layout=ReadingOptions.from_json(run.options).layout)


def _run_of(upload: BackfillUpload) -> BackfillRun:
    if upload.run_id is None:
        raise BadSource("The file was never planned. Plan it.")
    return selectors.get_run(run=str(upload.run_id), command=upload.command)


def _rows_done(upload: BackfillUpload) -> int:
    if upload.state == UploadState.PLANNING or upload.run is None:
        return 0
    return int(upload.run.position + upload.run.undone_rows)


def _leave_to_a_person(upload: BackfillUpload, problem: str) -> None:
    """Leave the upload to a person, with the reason. The path of the server's folder is no concern of theirs."""
    text = problem.replace(f"{path_of(upload).parent}/", "")
    is_plan = upload.state == UploadState.PLANNING
    services.end_work(upload=upload, state=UploadState.REFUSED if is_plan else UploadState.STOPPED, problem=text)
