"""Carries a planned run out, or takes it back. The commands and the back office both call it."""

import contextlib
from dataclasses import dataclass

from django.db import DatabaseError

from kernel.backfills import services
from kernel.backfills.adapters import Adapter, actor_of
from kernel.backfills.applying import locks
from kernel.backfills.applying.apply_run import ApplyRun
from kernel.backfills.applying.pacing import Pacer
from kernel.backfills.applying.parallel_apply import ParallelApply
from kernel.backfills.applying.undoing import Undo
from kernel.backfills.choices import MAY_APPLY, RunState
from kernel.backfills.errors import BackfillStopped, Interrupted, NotAllowed
from kernel.backfills.make_reader import make_reader
from kernel.backfills.models import BackfillRun, BackfillShare
from kernel.backfills.planning.make_plan import MakeProgress
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.sources import Source
from kernel.backfills.terminal.progress_bar import Progress
from kernel.backfills.terminal.stop_requests import Stop
from kernel.base.errors import DomainError
from kernel.ledger.outcomes import POSTED


@dataclass
class RunWork:
    """One process's work on one run. `wait`: for another process that works on the same file. `max_rate`: rows a second."""

    adapter: Adapter
    run: BackfillRun
    make_progress: MakeProgress
    stop: Stop
    batch_size: int
    max_rate: float | None = None
    wait: bool = False

    def apply(self, source: Source, *, jobs: int = 1, is_first: bool) -> None:
        """Post all rows that aren't posted yet, with `jobs` processes. `is_first`: refuse a run that has begun. Raises BackfillStopped."""
        run = self.run
        with locks.hold_run_lock(run, wait=self.wait, stop=self.stop):
            run.refresh_from_db()
            if run.state not in MAY_APPLY or (is_first and run.state != RunState.PLANNED):
                raise NotAllowed(f"Run {run.id} is {run.state}: {_advice(run)}")
            _check_digest(run, source)
            if jobs > 1:
                # Before anything is written: a file may name its accounts so that it can't be divided.
                options = ReadingOptions.from_json(run.options)
                make_reader(self.adapter, tenant=run.tenant, source=source, options=options, share=(0, jobs))
            shares = services.begin_shares(run=run, jobs=jobs)
            services.start(run=run, source=source.names)
            self._post_all(source, shares)

    def undo(self) -> None:
        """Reverse everything that the run posted. Raises BackfillStopped."""
        run = self.run
        with (
            locks.hold_run_lock(run, wait=self.wait, stop=self.stop),
            self.make_progress("taking back", run.counts.get(POSTED, 0), "row", run.undone_rows) as progress,
        ):
            Undo(adapter=self.adapter, run=run, actor=actor_of(run), pacer=self._pacer(), progress=progress, stop=self.stop).work()

    def _post_all(self, source: Source, shares: list[BackfillShare]) -> None:
        run = self.run
        with self.make_progress("posting", run.rows, "row", run.position) as progress:
            application = self._application(source, shares, progress)
            try:
                application.work()
            except (BackfillStopped, KeyboardInterrupt) as stopped:
                # If the database is away the run stays "running" without a process, which may be resumed too.
                with contextlib.suppress(DatabaseError, DomainError):
                    services.interrupt(run=run, because=str(stopped) or "Stopped at once.")
                raise _with_resume_hint(stopped, run) from stopped
        services.finish(run=run)

    def _application(self, source: Source, shares: list[BackfillShare], progress: Progress) -> ApplyRun | ParallelApply:
        """What posts the run: this process, or one for each share."""

        def make(share: BackfillShare | None, stop: Stop, progress: Progress = progress) -> ApplyRun:
            pacer = self._pacer(len(shares) or 1)
            return ApplyRun(adapter=self.adapter, run=self.run, source=source, pacer=pacer, progress=progress, stop=stop, share=share)

        if not shares:
            return make(None, self.stop)
        silent = Progress(label="", total=None, unit="row", visible=False)
        return ParallelApply(
            run=self.run, shares=shares, make_application=lambda share, stop: make(share, stop, silent), progress=progress, stop=self.stop
        )

    def _pacer(self, jobs: int = 1) -> Pacer:
        return Pacer(batch_size=self.batch_size, max_rate=self.max_rate / jobs if self.max_rate else None)


def _with_resume_hint(stopped: BaseException, run: BackfillRun) -> BackfillStopped:
    """The same error with the run's progress and the command that continues it."""
    kind = type(stopped) if isinstance(stopped, BackfillStopped) else Interrupted
    place = f"{run.position:,} of {run.rows:,} rows are done."
    error = kind(f"{stopped or 'Stopped at once.'} {place} Go on with: manage.py {run.command} --resume {run.id}")
    if error.exit_code == BackfillStopped.exit_code:
        # 3 promises that nothing was begun.
        error.exit_code = 4
    return error


def _check_digest(run: BackfillRun, source: Source) -> None:
    if source.digest() != run.file_digest:
        raise NotAllowed(f"{source.title} is not the file that was planned: its content has changed since. Plan it again.")


def _advice(run: BackfillRun) -> str:
    if run.state in MAY_APPLY:
        return f"go on with --resume {run.id}"
    return "there is nothing left to post." if run.state == RunState.FINISHED else "plan the file again to post it again."
