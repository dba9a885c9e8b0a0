"""The base class of every backfill command. A ledger's command is this class with its adapter; make_plan.py and run_work.py do the work."""

import getpass
import json
import os
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from kernel.backfills import rejects, reports, selectors
from kernel.backfills.adapters import Adapter
from kernel.backfills.applying.apply_run import database_lost_error
from kernel.backfills.applying.run_work import RunWork
from kernel.backfills.arguments.parser import add_arguments
from kernel.backfills.errors import BackfillStopped, ReportLost
from kernel.backfills.models import BackfillRun
from kernel.backfills.planning import make_plan
from kernel.backfills.reading.sources import Source, source_of
from kernel.backfills.terminal.output import check_writable, discard_stdout
from kernel.backfills.terminal.progress_bar import Progress
from kernel.backfills.terminal.stop_requests import Stop
from kernel.base.error_messages import message_for_operator
from kernel.base.errors import DomainError
from kernel.ledger.database_errors import reason_for_operators
from kernel.ledger.errors import Busy, LedgerUnavailable, OutcomeUnknown
from kernel.tenants.selectors import get_tenant


class BackfillCommand(BaseCommand):
    """Plan, apply, resume, undo. docs/operations.md describes the command and its exit codes."""

    adapter: ClassVar[Adapter]
    # Refuses to run while migrations are missing.
    requires_migrations_checks = True

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        parser = super().create_parser(*args, **options)
        # Files may stand between options: `acme --plan history.csv`.
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser, self.adapter)

    def execute(self, *args: Any, **options: Any) -> str | None:
        # Not in `handle`: Django's check of migrations, which runs before it, queries the database too.
        try:
            return super().execute(*args, **options)
        except BackfillStopped as stopped:
            raise CommandError(str(stopped), returncode=stopped.exit_code) from stopped
        except (Busy, LedgerUnavailable, OutcomeUnknown) as error:
            raise CommandError(str(database_lost_error(error)), returncode=4) from error
        except DomainError as error:
            raise CommandError(message_for_operator(error), returncode=3) from error
        except DatabaseError as error:
            raise CommandError(f"The database refused: {reason_for_operators(error)}.", returncode=4) from error
        except OSError as error:
            # A disk that fills up in the middle of a plan; what can be checked was checked before.
            raise CommandError(f"A file can't be written: {error}.", returncode=3 if options["plan"] else 4) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped at once.", returncode=130) from error

    def handle(self, *args: Any, **options: Any) -> None:
        self.options = options
        self.began = time.monotonic()
        with Stop() as self.stop:
            all_taken = self._action()()
        if not all_taken:
            # SystemExit and not CommandError, which would print a blank line after the report.
            raise SystemExit(1)

    def _action(self) -> Callable[[], bool]:
        if self.options["plan"]:
            return self._plan
        if self.options["undo"]:
            return self._undo
        return self._apply

    def _plan(self) -> bool:
        if not self.options["tenant"] or not self.options["file"]:
            raise CommandError(f"--plan needs a tenant and a file: manage.py {self.adapter.command} acme history.csv --plan", returncode=2)
        tenant = get_tenant(tenant=self.options["tenant"])
        source, options = make_plan.source_and_options(
            self.adapter, tenant, self.options["file"], self.options, again=self.options["again"]
        )
        run = make_plan.Plan(
            adapter=self.adapter,
            tenant=tenant,
            source=source,
            options=options,
            actor=f"command:{self.adapter.command}",
            started_by=_os_user(),
            make_progress=self._progress,
            stop=self.stop,
            rejects_path=self._named_path("rejects"),
            effects_path=self._named_path("effects"),
            with_events=self.options["with_events"],
        ).make()
        next_step = f"Nothing was posted. Post it with: manage.py {run.command} --apply {run.id}"
        self._report([*reports.plan_lines(run), "", next_step], run, plan=run.plan)
        return not reports.has_refusals(run.plan["counts"])

    def _apply(self) -> bool:
        run = selectors.get_run(run=self.options["apply"] or self.options["resume"], command=self.adapter.command)
        source = source_of(run, paths=self.options["source"])
        rejects_path = self._named_path("rejects") or rejects.default_path(run.id, source)
        check_writable(rejects_path, option=rejects.option_of(self._named_path("rejects")), create_folder=True)
        self._work(run).apply(source, jobs=self.options["jobs"], is_first=bool(self.options["apply"]))
        count = self._write_rejects(run, source, rejects_path)
        lines = [f"Refused rows, with the reasons: {rejects_path}"] if count else []
        self._report([*reports.result_lines(run), *lines], run, rejects=str(rejects_path) if count else None)
        return not count

    def _write_rejects(self, run: BackfillRun, source: Source, path: Path) -> int:
        try:
            return rejects.write_rejects(run=run, source=source, path=path)
        except OSError as error:
            raise ReportLost(
                f"Run {run.id} is finished, but its refused rows can't be written to {path}: {error.strerror}."
                " They are in the back office, under the run."
            ) from error

    def _undo(self) -> bool:
        run = selectors.get_run(run=self.options["undo"], command=self.adapter.command)
        self._work(run).undo()
        self._report(reports.result_lines(run), run)
        return True

    def _work(self, run: BackfillRun) -> RunWork:
        options = self.options
        return RunWork(
            adapter=self.adapter,
            run=run,
            make_progress=self._progress,
            stop=self.stop,
            batch_size=options["batch_size"],
            max_rate=options["max_rate"],
            wait=options["wait"],
        )

    def _progress(self, label: str, total: int, unit: str, done: int) -> Progress:
        return Progress(label=label, total=total, unit=unit, visible=not self.options["no_progress"], done=done)

    def _named_path(self, option: str) -> Path | None:
        return Path(self.options[option]).resolve() if self.options[option] else None

    def _report(self, lines: list[str], run: BackfillRun, **more: Any) -> None:
        """Print the report. Raises ReportLost."""
        seconds = round(time.monotonic() - self.began, 3)
        report = json.dumps(reports.summary(run, seconds=seconds, **more)) if self.options["json"] else "\n".join(lines)
        try:
            self.stdout.write(report)
            # Flushed here: at Python's exit a broken pipe is a traceback.
            self.stdout.flush()
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                discard_stdout()
            raise ReportLost(
                f"Run {run.id} is {run.state}, but its report can't be written: {error.strerror}. See: manage.py backfill_runs {run.id}"
            ) from error


def _os_user() -> str:
    """The name of the operating system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
