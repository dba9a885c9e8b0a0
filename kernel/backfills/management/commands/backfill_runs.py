"""Lists backfill runs; shows, pauses and resumes one."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from kernel.backfills import reports, selectors, services
from kernel.backfills.applying.locks import is_worked_on
from kernel.backfills.choices import RunState
from kernel.backfills.models import BackfillRun
from kernel.backfills.terminal.output import discard_stdout
from kernel.base.commands import DomainCommand
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id


class Command(DomainCommand):
    refused_returncode = 3
    help = (
        "List backfill runs, newest first; show one with its plan; pause or resume one that is running."
        " Example: manage.py backfill_runs --tenant acme --state interrupted"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", nargs="?", help="a run's id, or enough of its beginning or end: show it whole")
        add_tenant_option(parser)
        parser.add_argument("--state", choices=RunState.values, default="", help="only runs in this state")
        parser.add_argument("--limit", type=int, default=20, help="how many to list (default: 20)")
        change = parser.add_mutually_exclusive_group()
        change.add_argument("--pause", metavar="RUN", help="pause a running run after its current batch")
        change.add_argument("--continue", metavar="RUN", dest="resume", help="continue a paused run")
        parser.add_argument("--json", action="store_true", help="one JSON object for each run, on a line of its own")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for run in self._runs(options):
                self._print(run, options)
            self.stdout.flush()
        except BrokenPipeError as error:
            discard_stdout()
            raise CommandError("Standard output was closed.", returncode=3) from error

    def _runs(self, options: dict[str, Any]) -> list[BackfillRun]:
        if named := options["pause"] or options["resume"]:
            change = services.pause_run if options["pause"] else services.resume_run
            run = selectors.get_run(run=named)
            return [change(tenant_id=run.tenant_id, run_id=run.id, actor="command:backfill_runs")]
        if options["run"]:
            return [selectors.get_run(run=options["run"])]
        tenant_id = chosen_tenant_id(options)
        return list(selectors.list_runs(tenant_id=tenant_id, state=options["state"])[: options["limit"]])

    def _print(self, run: BackfillRun, options: dict[str, Any]) -> None:
        if options["json"]:
            more = {"plan": run.plan} if options["run"] else {}
            self.stdout.write(json.dumps(reports.summary(run, working=_state(run), **more)))
        elif options["run"]:
            self.stdout.write("\n".join([*reports.plan_lines(run), "", *reports.result_lines(run), run.stopped_because]))
        else:
            refused = selectors.count_rejects(run=run)
            self.stdout.write(
                f"{run.id}  {_state(run):<11}  {run.tenant.slug:<16} {run.command.removeprefix('backfill_'):<22}"
                f" {run.position:>12,} of {run.rows:>12,}  {refused:>8,} refused  {run.created_at:%Y-%m-%d %H:%M}  {run.started_by}"
                f"  {run.source}"
            )


def _state(run: BackfillRun) -> str:
    """The run's state; `killed` if it should be running and no process works on it."""
    is_alive = run.state not in {RunState.RUNNING, RunState.UNDOING} or is_worked_on(run)
    return str(run.state) if is_alive else "killed"
