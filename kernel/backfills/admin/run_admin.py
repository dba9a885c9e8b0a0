"""Admin lists of backfill runs and of their rejected rows."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from django.contrib import admin, messages
from django.db.models import Field, QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from unfold.decorators import action

from kernel.backfills import rejects, services
from kernel.backfills.admin.command_filter import CommandFilter
from kernel.backfills.choices import RunState
from kernel.backfills.known_commands import title_of
from kernel.backfills.models import BackfillReject, BackfillRun, BackfillShare
from kernel.base.empty_values import NOTHING
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import coded, label, register_origin
from kernel.ledger.errors import LedgerError

COLOURS = {RunState.FINISHED: "good", RunState.INTERRUPTED: "bad", RunState.RUNNING: "wait", RunState.PAUSED: "wait"}
# How many rejects a run's page shows; the list of rejects has all of them.
MAX_REJECTS = 50


register_origin("run", "backfills.backfillrun", "Backfill run")
register_origin("undo", "backfills.backfillrun", "Undone backfill run")


@admin.register(BackfillRun)
class BackfillRunAdmin(LedgerAdmin):
    icon = "upload_file"
    list_display = ("file", "tenant", "command", "status", "position", "rows", "started_by", "created_at", "finished_at")
    list_select_related = ("tenant",)
    list_filter = ("state", CommandFilter)
    actions = ("pause", "resume")
    actions_detail = ("download_rejects",)
    field_labels = {"command": "its rows are", "position": "rows done"}
    folds_empty = True
    technical = ("line", "offset", "jobs", "options", "plan", "file_size")

    def formatter_for(self, field: Field) -> Callable[[Any], Any] | None:
        if field.name == "command":
            return lambda run: coded(run.command, title_of(run.command))
        if field.name == "format":
            return lambda run: run.format.upper()
        return super().formatter_for(field)

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Whether the user may pause and resume runs. Nobody may edit them."""
        return request.user.has_perm("backfills.change_backfillrun")

    def has_view_rejects_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("backfills.view_backfillreject")

    @action(  # type: ignore[untyped-decorator] # Unfold has no types
        description="Rejected rows as a file", icon="download", url_path="rejects", permissions=["view_rejects"]
    )
    def download_rejects(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """The rows as they were, with their lines and the reasons: to be corrected and planned again."""
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        response = StreamingHttpResponse(rejects.stream_file(run), content_type="application/octet-stream")
        response["Content-Disposition"] = f'attachment; filename="{rejects.file_name(run)}"'
        return response

    @admin.action(description="Pause after the current batch", permissions=["steer"])
    def pause(self, request: HttpRequest, runs: QuerySet[BackfillRun]) -> None:
        self._change_runs(request, runs, services.pause_run, "paused")

    @admin.action(description="Resume", permissions=["steer"])
    def resume(self, request: HttpRequest, runs: QuerySet[BackfillRun]) -> None:
        self._change_runs(request, runs, services.resume_run, "resumed")

    def _change_runs(self, request: HttpRequest, runs: QuerySet[BackfillRun], change: Callable[..., BackfillRun], done: str) -> None:
        for run in runs:
            try:
                change(tenant_id=run.tenant_id, run_id=run.id, actor=f"staff:{request.user.pk}")
            except LedgerError:
                messages.warning(request, f"{run} is {run.get_state_display().lower()}: nothing to do.")
            else:
                messages.success(request, f"{run} is {done}.")

    def title_of(self, row: BackfillRun) -> str:
        return f"Backfill of {row.first_file}"

    @admin.display(description="file")
    def file(self, run: BackfillRun) -> str:
        others = run.source.count("\n")
        return f"{run.first_file} and {others} more" if others else run.first_file

    @admin.display(description="state")
    def status(self, run: BackfillRun) -> Any:
        return label(run.get_state_display(), COLOURS.get(RunState(run.state), ""))

    def panels(self, request: HttpRequest, row: BackfillRun) -> list[Panel]:
        refused = BackfillReject.objects.filter(tenant_id=row.tenant_id, run_id=row.id).order_by("part", "line")[:MAX_REJECTS]
        rows = [(place_of(row, reject), coded(reject.code), reject.column or NOTHING, reject.why) for reject in refused]
        return [Panel("Rejected rows", ("Line", "Refused as", "Column", "Why"), rows, empty="No row was rejected.")]


@admin.register(BackfillShare)
class BackfillShareAdmin(LedgerAdmin):
    icon = "call_split"
    list_display = ("run", "tenant", "number", "position", "created_at")
    list_select_related = ("tenant", "run")


@admin.register(BackfillReject)
class BackfillRejectAdmin(LedgerAdmin):
    icon = "block"
    list_display = ("run", "tenant", "line", "code", "column", "why", "created_at")
    codes = ("code",)
    field_labels = {"code": "refused as"}
    list_select_related = ("tenant", "run")


def place_of(run: BackfillRun, reject: BackfillReject) -> str:
    """The line, and the file if the run has several."""
    files = run.source.split("\n")
    return str(reject.line) if len(files) == 1 else f"{PurePath(files[reject.part]).name}:{reject.line}"
