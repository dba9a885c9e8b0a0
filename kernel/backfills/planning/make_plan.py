"""Makes a plan of a file and keeps it as a run. The commands and the back office both call it."""

import contextlib
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kernel.backfills import rejects, selectors, services
from kernel.backfills.adapters import Adapter
from kernel.backfills.arguments.option_values import options_given
from kernel.backfills.arguments.profiles import find_profile
from kernel.backfills.errors import BadSource
from kernel.backfills.file_hints import form_hints, hints_for
from kernel.backfills.make_reader import make_reader
from kernel.backfills.models import BackfillRun
from kernel.backfills.planning.planner import Planner, describe_account, digest_of_plan
from kernel.backfills.planning.temp_tables import PlanTables
from kernel.backfills.reading.files.records import JSON
from kernel.backfills.reading.first_rows import first_rows, left_out
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.prefetching import read_chunks
from kernel.backfills.reading.rows import RowReader
from kernel.backfills.reading.sources import Reading, Source, find_source
from kernel.backfills.reimport_after_undo import after_undo
from kernel.backfills.terminal.output import check_writable
from kernel.backfills.terminal.progress_bar import Progress
from kernel.backfills.terminal.stop_requests import Stop
from kernel.ledger.errors import NotFound
from kernel.ledger.identifiers import new_id
from kernel.tenants.models import Tenant

CHUNK = 1000
# Makes the progress of a piece of work, of its label, total, unit, and how much is done.
MakeProgress = Callable[[str, int, str, int], Progress]


@dataclass
class Plan:
    """The plan of one file for one tenant's ledger. `actor` and `started_by`: who plans, as the run keeps it.

    `rejects_path`: where refused rows are written (default: the folder of backfills). `effects_path`: where every account's balance before
    and after is written.
    """

    adapter: Adapter
    tenant: Tenant
    source: Source
    options: ReadingOptions
    actor: str
    started_by: str
    make_progress: MakeProgress
    stop: Stop
    rejects_path: Path | None = None
    effects_path: Path | None = None
    with_events: bool = False
    # A file with more rows is refused; None: there is no limit.
    most_rows: int | None = None

    def make(self) -> BackfillRun:
        """Read the whole file and save the plan as a run. Raises BackfillStopped.

        Files to be written are checked first: a plan of a large file takes long.
        """
        run_id = new_id()
        rejects_path = self.rejects_path or rejects.default_path(run_id, self.source)
        check_writable(rejects_path, option=rejects.option_of(self.rejects_path), create_folder=True)
        if self.effects_path:
            check_writable(self.effects_path, option="--effects FILE")
        file_digest, size = self.source.digest(), self.source.size()
        reader, looks = self._look()
        planner = self._walk(reader, rejects_path)
        summary = {**looks, **planner.summary()}
        planner.tables.close()
        facts: dict[str, Any] = {"file_digest": file_digest, "command": self.adapter.command, "options": self.options.as_json()}
        if self.with_events:
            # Posting functions look for it (kernel/events/sql/events_wanted_patterns.sql).
            facts["options"]["with_events"] = True
        return services.create_run(
            tenant_id=self.tenant.id,
            actor=self.actor,
            facts={
                **facts,
                "id": run_id,
                "source": self.source.names,
                "format": self.source.format,
                "file_size": size,
                "plan_digest": digest_of_plan(**facts, tenant=self.tenant, summary=summary),
                "plan": summary,
                "rows": planner.rows,
                "started_by": self.started_by,
            },
        )

    def _look(self) -> tuple[RowReader, dict[str, Any]]:
        """Look at the first rows before all are read. Raises BadSource, with what to add to the options."""
        source, options = self.source, self.options
        try:
            reader = make_reader(self.adapter, tenant=self.tenant, source=source, options=options)
        except BadSource as refused:
            raise BadSource("\n".join([str(refused), *hints_for(source, options)])) from refused
        hints = hints_for(source, options) if source.has_objects and not options.mapped else []
        hints += form_hints(source, reader, self.adapter.columns, options)
        return reader, {
            "columns": source.columns(),
            "hints": hints,
            "left_out": left_out(reader, source, options),
            "first_rows": first_rows(source, reader),
        }

    def _walk(self, reader: RowReader, rejects_path: Path) -> Planner:
        """Read the whole file into a plan."""
        source = self.source
        with (
            Reading(source) as reading,
            rejects.RejectWriter(rejects_path, source=source, header=source.columns()) as writer,
            self.make_progress("planning", source.size(), "B", 0) as progress,
        ):
            planner = Planner(adapter=self.adapter, tenant=self.tenant, tables=PlanTables(), rejects=writer, source=source)
            with contextlib.closing(read_chunks(reading, reader, size=CHUNK)) as chunks:
                for chunk in chunks:
                    self.stop.check()
                    planner.add_rows(chunk)
                    self._check_rows(planner.rows)
                    progress.reach(reading.bytes_read(chunk[-1].part))
            reading.check_unchanged()
        if not planner.rows:
            raise BadSource(f"{source.title} has no rows.")
        if self.effects_path:
            _write_effects(self.effects_path, planner.tables)
        return planner

    def _check_rows(self, rows: int) -> None:
        if self.most_rows is not None and rows > self.most_rows:
            raise BadSource(
                f"{self.source.title} has more than {self.most_rows:,} rows: divide it, or have an operator bring it in with manage.py"
                f" {self.adapter.command}."
            )


def source_and_options(
    adapter: Adapter, tenant: Tenant, paths: Sequence[str], given: Mapping[str, Any], *, again: str | None = None
) -> tuple[Source, ReadingOptions]:
    """The files, and how to read them: by the options `given` (argparse's names), over the form of their profile that fits the files.

    `again`: the undone run whose rows are brought in again. Raises BadSource, NotFound, NotAllowed.
    """
    options = options_given(adapter, given, ReadingOptions())
    source = find_source(paths, format=given["format"], layout=options.layout)
    if given["profile"]:
        profile = find_profile(given["profile"], adapter=adapter)
        options = options_given(adapter, given, profile.options(adapter, profile.variant_of(source)))
    if again:
        undone = selectors.get_run(run=again, command=adapter.command)
        if undone.tenant_id != tenant.id:
            raise NotFound(kind="run", id=again)
        options = replace(options, again=asdict(after_undo(undone)))
    if given["items"] and source.format != JSON:
        raise BadSource(f"--items belongs to JSON, and {source.title} is {source.format}: add --format json.")
    return replace(source, layout=options.layout), options


def _write_effects(path: Path, tables: PlanTables) -> None:
    with path.open("w", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for account in tables.stream_accounts():
            described = describe_account(account)
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(described))
                writer.writeheader()
            writer.writerow(described)
