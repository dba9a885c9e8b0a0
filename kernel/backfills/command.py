"""The base of every backfill command. A ledger's command is this class and its adapter, nothing more."""

import contextlib
import csv
import getpass
import json
import os
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from kernel.backfills import arguments, locks, rejects, reports, selectors, services
from kernel.backfills.adapters import Adapter, actor_of
from kernel.backfills.applying import Application
from kernel.backfills.choices import MAY_APPLY, RunState
from kernel.backfills.errors import BackfillStopped, BadSource, Interrupted, NotAllowed
from kernel.backfills.models import BackfillRun
from kernel.backfills.options import ReadingOptions, make_reader
from kernel.backfills.pacing import Pacer
from kernel.backfills.planning import Planner, describe_account, digest_of_plan
from kernel.backfills.prefetching import read_chunks
from kernel.backfills.progress import Progress
from kernel.backfills.signals import Stop
from kernel.backfills.sources import Reading, Source, find_source
from kernel.backfills.temp_tables import PlanTables
from kernel.backfills.undoing import Undo
from kernel.ledger.identifiers import new_id
from kernel.tenants.errors import DomainError
from kernel.tenants.models import Tenant
from kernel.tenants.selectors import get_tenant

PLAN_CHUNK = 1000


class BackfillCommand(BaseCommand):
    """Plan, apply, resume, undo; see docs/operations.md."""

    adapter: ClassVar[Adapter]
    # A plan must be possible while settings that don't concern it are in flux; migrations are what it rests on.
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_arguments(parser, self.adapter)

    def handle(self, *args: Any, **options: Any) -> None:
        self.options = options
        self.began = time.monotonic()
        try:
            with Stop() as self.stop:
                clean = self._action()()
        except BackfillStopped as stopped:
            raise CommandError(str(stopped), returncode=stopped.exit_code) from stopped
        except DomainError as error:
            raise CommandError(str(error), returncode=3) from error
        except DatabaseError as error:
            raise CommandError(f"The database refused: {str(error).splitlines()[0]}", returncode=4) from error
        if not clean:
            # The report is out already; an empty error would print a blank line.
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
        source = find_source(self.options["file"], format=self.options["format"], delimiter=self.options["delimiter"])
        reading_options = ReadingOptions(
            mapped=dict(self.options["map"]),
            set=dict(self.options["set"]),
            ignored=tuple(self.options["ignore"]),
            delimiter=self.options["delimiter"],
        )
        run = self._create_run(tenant, source, reading_options)
        self._tell(reports.plan_lines(run), run, self._next_of_plan(run), plan=run.plan)
        return not reports.has_refusals(run.plan["counts"])

    def _create_run(self, tenant: Tenant, source: Source, reading_options: ReadingOptions) -> BackfillRun:
        """Walk through the file and keep what was found as a run."""
        run_id = new_id()
        file_digest, size = source.digest(), source.size()
        planner = self._walk(tenant, source, reading_options, self._rejects_path(run_id, source))
        summary, options = planner.summary(), reading_options.as_json()
        planner.scratch.close()
        return services.create_run(
            tenant_id=tenant.id,
            actor=f"command:{self.adapter.command}",
            facts={
                "id": run_id,
                "command": self.adapter.command,
                "source": str(source.path),
                "format": source.format,
                "options": options,
                "file_digest": file_digest,
                "file_size": size,
                "plan_digest": digest_of_plan(
                    file_digest=file_digest, tenant=tenant, command=self.adapter.command, options=options, summary=summary
                ),
                "plan": summary,
                "rows": planner.rows,
                "started_by": _os_user(),
            },
        )

    def _walk(self, tenant: Tenant, source: Source, reading_options: ReadingOptions, rejects_path: Path) -> Planner:
        reader = make_reader(self.adapter, tenant=tenant, source=source, options=reading_options)
        with (
            Reading(source) as reading,
            rejects.RejectWriter(rejects_path, source=source, header=source.columns()) as writer,
            Progress(label="planning", total=source.size(), unit="B", visible=self._is_visible()) as progress,
        ):
            planner = Planner(adapter=self.adapter, tenant=tenant, scratch=PlanTables(), rejects=writer)
            with contextlib.closing(read_chunks(reading, reader, size=PLAN_CHUNK)) as chunks:
                for chunk in chunks:
                    self.stop.check()
                    planner.take(chunk)
                    progress.reach(reading.bytes_read)
            reading.check_unchanged()
        if not planner.rows:
            raise BadSource(f"{source.path} has no rows.")
        if self.options["effects"]:
            _write_effects(Path(self.options["effects"]), planner.scratch)
        return planner

    def _apply(self) -> bool:
        wanted = self.options["apply"] or self.options["resume"]
        run = selectors.get_run(run=wanted, command=self.adapter.command)
        source = self._planned_source(run)
        with locks.only_worker(run, wait=self.options["wait"], stop=self.stop):
            run.refresh_from_db()
            if self.options["apply"] and run.state != RunState.PLANNED:
                raise NotAllowed(f"Run {run.id} is {run.state}: {_advice(run)}")
            if run.state not in MAY_APPLY:
                raise NotAllowed(f"Run {run.id} is {run.state}: {_advice(run)}")
            _check_digest(run, source)
            services.begin(run=run, source=str(source.path))
            self._work(run, source)
        count = rejects.write_rejects(run=run, source=source, path=self._rejects_path(run.id, source))
        told = [f"NotAllowed rows, with the reasons: {self._rejects_path(run.id, source)}"] if count else []
        self._tell(reports.result_lines(run) + told, run, "", rejects=str(self._rejects_path(run.id, source)) if count else None)
        return not count

    def _work(self, run: BackfillRun, source: Source) -> None:
        with Progress(label="posting", total=run.rows, unit="row", visible=self._is_visible(), done=run.position) as progress:
            application = Application(adapter=self.adapter, run=run, source=source, pacer=self._pacer(), progress=progress, stop=self.stop)
            try:
                application.work()
            except (BackfillStopped, KeyboardInterrupt) as stopped:
                # Where the database is away the run stays "running" without a worker, which --resume takes as well.
                with contextlib.suppress(DatabaseError, DomainError):
                    services.interrupt(run=run, because=str(stopped) or "Stopped at once.")
                raise self._with_resume_hint(stopped, run) from stopped
        services.finish(run=run)

    def _with_resume_hint(self, stopped: BaseException, run: BackfillRun) -> BackfillStopped:
        kind = type(stopped) if isinstance(stopped, BackfillStopped) else Interrupted
        place = f"{run.position:,} of {run.rows:,} rows are done."
        return kind(f"{stopped or 'Stopped at once.'} {place} Go on with: manage.py {run.command} --resume {run.id}")

    def _undo(self) -> bool:
        run = selectors.get_run(run=self.options["undo"], command=self.adapter.command)
        total = run.counts.get("posted", 0)
        with (
            locks.only_worker(run, wait=self.options["wait"], stop=self.stop),
            Progress(label="taking back", total=total, unit="row", visible=self._is_visible(), done=run.undone_rows) as progress,
        ):
            undo = Undo(adapter=self.adapter, run=run, actor=actor_of(run), pacer=self._pacer(), progress=progress, stop=self.stop)
            undo.work()
        self._tell(reports.result_lines(run), run, "")
        return True

    def _planned_source(self, run: BackfillRun) -> Source:
        path = self.options["source"] or run.source
        return find_source(path, format=run.format, delimiter=run.options["delimiter"])

    def _rejects_path(self, run_id: object, source: Source) -> Path:
        return Path(self.options["rejects"]).resolve() if self.options["rejects"] else rejects.default_path(run_id, source)

    def _pacer(self) -> Pacer:
        return Pacer(batch_size=self.options["batch_size"], max_rate=self.options["max_rate"])

    def _is_visible(self) -> bool:
        return not self.options["no_progress"]

    def _next_of_plan(self, run: BackfillRun) -> str:
        return f"Nothing was posted. Post it with: manage.py {run.command} --apply {run.id}"

    def _tell(self, lines: list[str], run: BackfillRun, then: str, **more: Any) -> None:
        seconds = round(time.monotonic() - self.began, 3)
        if self.options["json"]:
            self.stdout.write(json.dumps(reports.summary(run, seconds=seconds, **more)))
            return
        self.stdout.write("\n".join(lines))
        if then:
            self.stdout.write(f"\n{then}")


def _check_digest(run: BackfillRun, source: Source) -> None:
    if source.digest() != run.file_digest:
        raise NotAllowed(f"{source.path} is not the file that was planned: its content has changed since. Plan it again.")


def _advice(run: BackfillRun) -> str:
    if run.state in MAY_APPLY:
        return f"go on with --resume {run.id}"
    return "there is nothing left to post." if run.state == RunState.FINISHED else "plan the file again to post it again."


def _write_effects(path: Path, scratch: PlanTables) -> None:
    with path.open("w", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for account in scratch.stream_accounts():
            described = describe_account(account)
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(described))
                writer.writeheader()
            writer.writerow(described)


def _os_user() -> str:
    """The operating system's user: who stood at the terminal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
