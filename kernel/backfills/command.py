"""The base class of every backfill command. A ledger's command is this class with its adapter."""

import contextlib
import csv
import getpass
import json
import os
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from kernel.backfills import arguments, database_errors, locks, rejects, reports, selectors, services
from kernel.backfills.adapters import Adapter, actor_of
from kernel.backfills.again import after_undo
from kernel.backfills.apply import ApplyRun, database_lost_error
from kernel.backfills.choices import MAY_APPLY, RunState
from kernel.backfills.errors import BackfillStopped, BadSource, Interrupted, NotAllowed, ReportLost
from kernel.backfills.file_hints import form_hints, hints_for
from kernel.backfills.files.records import JSON
from kernel.backfills.first_rows import first_rows, left_out
from kernel.backfills.jobs import JobsRun
from kernel.backfills.models import BackfillRun, BackfillShare
from kernel.backfills.option_values import options_given
from kernel.backfills.options import ReadingOptions
from kernel.backfills.output import check_writable, discard_stdout
from kernel.backfills.pacing import Pacer
from kernel.backfills.planning import Planner, describe_account, digest_of_plan
from kernel.backfills.prefetching import read_chunks
from kernel.backfills.profiles import find_profile
from kernel.backfills.progress_bar import Progress
from kernel.backfills.readers import make_reader
from kernel.backfills.rows import RowReader
from kernel.backfills.signals import Stop
from kernel.backfills.sources import Reading, Source, find_source, source_of
from kernel.backfills.temp_tables import PlanTables
from kernel.backfills.undoing import Undo
from kernel.ledger.errors import Busy, LedgerUnavailable, NotFound, OutcomeUnknown
from kernel.ledger.identifiers import new_id
from kernel.tenants.errors import DomainError
from kernel.tenants.messages import message_for_operator
from kernel.tenants.models import Tenant
from kernel.tenants.selectors import get_tenant

PLAN_CHUNK = 1000


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
        arguments.add_arguments(parser, self.adapter)

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
            raise CommandError(f"The database refused: {database_errors.reason(error)}.", returncode=4) from error
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
        source, options = self._read_options(tenant)
        if self.options["items"] and source.format != JSON:
            raise BadSource(f"--items belongs to JSON, and {source.title} is {source.format}: add --format json.")
        run = self._create_run(tenant, source, options)
        next_step = f"Nothing was posted. Post it with: manage.py {run.command} --apply {run.id}"
        self._report([*reports.plan_lines(run), "", next_step], run, plan=run.plan)
        return not reports.has_refusals(run.plan["counts"])

    def _read_options(self, tenant: Tenant) -> tuple[Source, ReadingOptions]:
        """The file, and how to read it: by the command line, over the form of the profile that fits the file."""
        options = options_given(self.adapter, self.options, ReadingOptions())
        source = find_source(self.options["file"], format=self.options["format"], layout=options.layout)
        if self.options["profile"]:
            profile = find_profile(self.options["profile"], adapter=self.adapter)
            options = options_given(self.adapter, self.options, profile.options(self.adapter, profile.variant_of(source)))
        if self.options["again"]:
            undone = selectors.get_run(run=self.options["again"], command=self.adapter.command)
            if undone.tenant_id != tenant.id:
                raise NotFound(kind="run", id=self.options["again"])
            options = replace(options, again=asdict(after_undo(undone)))
        return replace(source, layout=options.layout), options

    def _create_run(self, tenant: Tenant, source: Source, options: ReadingOptions) -> BackfillRun:
        """Plan the file and save the plan as a run. Files to be written are checked first: a plan of a large file takes long."""
        run_id = new_id()
        rejects_path = self._rejects_path(run_id, source)
        check_writable(rejects_path, option="--rejects FILE", create_folder=True)
        if self.options["effects"]:
            check_writable(Path(self.options["effects"]), option="--effects FILE")
        file_digest, size = source.digest(), source.size()
        planner = self._walk(tenant, source, options, rejects_path)
        summary = {**self.looks, **planner.summary()}
        planner.tables.close()
        facts: dict[str, Any] = {"file_digest": file_digest, "command": self.adapter.command, "options": options.as_json()}
        if self.options["with_events"]:
            # Posting functions look for it (kernel/events/sql/events_patterns.sql).
            facts["options"]["with_events"] = True
        return services.create_run(
            tenant_id=tenant.id,
            actor=f"command:{self.adapter.command}",
            facts={
                **facts,
                "id": run_id,
                "source": source.names,
                "format": source.format,
                "file_size": size,
                "plan_digest": digest_of_plan(**facts, tenant=tenant, summary=summary),
                "plan": summary,
                "rows": planner.rows,
                "started_by": _os_user(),
            },
        )

    def _walk(self, tenant: Tenant, source: Source, options: ReadingOptions, rejects_path: Path) -> Planner:
        """Read the whole file into a plan."""
        reader, self.looks = self._look(tenant, source, options)
        with (
            Reading(source) as reading,
            rejects.RejectWriter(rejects_path, source=source, header=source.columns()) as writer,
            Progress(label="planning", total=source.size(), unit="B", visible=self._is_visible()) as progress,
        ):
            planner = Planner(adapter=self.adapter, tenant=tenant, tables=PlanTables(), rejects=writer, source=source)
            with contextlib.closing(read_chunks(reading, reader, size=PLAN_CHUNK)) as chunks:
                for chunk in chunks:
                    self.stop.check()
                    planner.add_rows(chunk)
                    progress.reach(reading.bytes_read(chunk[-1].part))
            reading.check_unchanged()
        if not planner.rows:
            raise BadSource(f"{source.title} has no rows.")
        if self.options["effects"]:
            _write_effects(Path(self.options["effects"]), planner.tables)
        return planner

    def _look(self, tenant: Tenant, source: Source, options: ReadingOptions) -> tuple[RowReader, dict[str, Any]]:
        """Look at the first rows before all are read. Raises BadSource, with what to add to the command line."""
        try:
            reader = make_reader(self.adapter, tenant=tenant, source=source, options=options)
        except BadSource as refused:
            hints = hints_for(source, options)
            raise BadSource("\n".join([str(refused), *hints])) from refused
        hints = hints_for(source, options) if source.has_objects and not options.mapped else []
        hints += form_hints(source, reader, self.adapter.columns, options)
        return reader, {
            "columns": source.columns(),
            "hints": hints,
            "left_out": left_out(reader, source, options),
            "first_rows": first_rows(source, reader),
        }

    def _apply(self) -> bool:
        run = selectors.get_run(run=self.options["apply"] or self.options["resume"], command=self.adapter.command)
        source = source_of(run, paths=self.options["source"])
        rejects_path = self._rejects_path(run.id, source)
        check_writable(rejects_path, option="--rejects FILE", create_folder=True)
        with locks.exclusive_worker(run, wait=self.options["wait"], stop=self.stop):
            run.refresh_from_db()
            if run.state not in MAY_APPLY or (self.options["apply"] and run.state != RunState.PLANNED):
                raise NotAllowed(f"Run {run.id} is {run.state}: {_advice(run)}")
            _check_digest(run, source)
            if self.options["jobs"] > 1:
                # Before anything is written: a file may name its accounts so that it can't be divided.
                options = ReadingOptions.from_json(run.options)
                make_reader(self.adapter, tenant=run.tenant, source=source, options=options, share=(0, self.options["jobs"]))
            shares = services.begin_shares(run=run, jobs=self.options["jobs"])
            services.start(run=run, source=source.names)
            self._post_all(run, source, shares)
        count = self._write_rejects(run, source, rejects_path)
        lines = [f"Refused rows, with the reasons: {rejects_path}"] if count else []
        self._report([*reports.result_lines(run), *lines], run, rejects=str(rejects_path) if count else None)
        return not count

    def _post_all(self, run: BackfillRun, source: Source, shares: list[BackfillShare]) -> None:
        with Progress(label="posting", total=run.rows, unit="row", visible=self._is_visible(), done=run.position) as progress:
            application = self._application(run, source, shares, progress)
            try:
                application.work()
            except (BackfillStopped, KeyboardInterrupt) as stopped:
                # If the database is away the run stays "running" without a process, which --resume accepts too.
                with contextlib.suppress(DatabaseError, DomainError):
                    services.interrupt(run=run, because=str(stopped) or "Stopped at once.")
                raise _with_resume_hint(stopped, run) from stopped
        services.finish(run=run)

    def _application(self, run: BackfillRun, source: Source, shares: list[BackfillShare], progress: Progress) -> ApplyRun | JobsRun:
        """What posts the run: this process, or one for each share."""

        def make(share: BackfillShare | None, stop: Stop, progress: Progress = progress) -> ApplyRun:
            pacer = self._pacer(len(shares) or 1)
            return ApplyRun(adapter=self.adapter, run=run, source=source, pacer=pacer, progress=progress, stop=stop, share=share)

        if not shares:
            return make(None, self.stop)
        silent = Progress(label="", total=None, unit="row", visible=False)
        return JobsRun(
            run=run, shares=shares, make_application=lambda share, stop: make(share, stop, silent), progress=progress, stop=self.stop
        )

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
        total = run.counts.get("posted", 0)
        with (
            locks.exclusive_worker(run, wait=self.options["wait"], stop=self.stop),
            Progress(label="taking back", total=total, unit="row", visible=self._is_visible(), done=run.undone_rows) as progress,
        ):
            Undo(adapter=self.adapter, run=run, actor=actor_of(run), pacer=self._pacer(), progress=progress, stop=self.stop).work()
        self._report(reports.result_lines(run), run)
        return True

    def _rejects_path(self, run_id: object, source: Source) -> Path:
        return Path(self.options["rejects"]).resolve() if self.options["rejects"] else rejects.default_path(run_id, source)

    def _pacer(self, jobs: int = 1) -> Pacer:
        rate = self.options["max_rate"]
        return Pacer(batch_size=self.options["batch_size"], max_rate=rate / jobs if rate else None)

    def _is_visible(self) -> bool:
        return not self.options["no_progress"]

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


def _write_effects(path: Path, tables: PlanTables) -> None:
    with path.open("w", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for account in tables.stream_accounts():
            described = describe_account(account)
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(described))
                writer.writeheader()
            writer.writerow(described)


def _os_user() -> str:
    """The name of the operating system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
