"""Backfill runs: which file came into which book, how far, and what was refused."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from kernel.backfills import services
from kernel.backfills.choices import RunState
from kernel.backfills.models import BackfillReject, BackfillRun
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import label, register_origin
from kernel.ledger.errors import LedgerError

COLOURS = {RunState.FINISHED: "good", RunState.INTERRUPTED: "bad", RunState.RUNNING: "wait", RunState.PAUSED: "wait"}
# Rejects that a run's page shows; the list of rejects has them all.
MOST_REJECTS = 50


register_origin("run", "backfills.backfillrun", "Backfill run")
register_origin("undo", "backfills.backfillrun", "Undone backfill run")


@admin.register(BackfillRun)
class BackfillRunAdmin(LedgerAdmin):
    icon = "upload_file"
    list_display = ("id", "tenant", "command", "source", "status", "position", "rows", "started_by", "created_at", "finished_at")
    list_select_related = ("tenant",)
    list_filter = ("state", "command")
    actions = ("pause", "let_go_on")

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Who may change runs; the rows themselves nobody edits here."""
        return request.user.has_perm("backfills.change_backfillrun")

    @admin.action(description="Pause at the end of the batch", permissions=["steer"])
    def pause(self, request: HttpRequest, runs: QuerySet[BackfillRun]) -> None:
        self._steer(request, runs, services.pause_run, "paused")

    @admin.action(description="Let a paused run go on", permissions=["steer"])
    def let_go_on(self, request: HttpRequest, runs: QuerySet[BackfillRun]) -> None:
        self._steer(request, runs, services.resume_run, "going on")

    def _steer(self, request: HttpRequest, runs: QuerySet[BackfillRun], change: Callable[..., BackfillRun], word: str) -> None:
        for run in runs:
            try:
                change(tenant_id=run.tenant_id, run_id=run.id, actor=f"staff:{request.user.pk}")
            except LedgerError:
                messages.warning(request, f"{run} is {run.get_state_display().lower()}: nothing to do.")
            else:
                messages.success(request, f"{run} is {word}.")

    @admin.display(description="state")
    def status(self, run: BackfillRun) -> Any:
        return label(run.get_state_display(), COLOURS.get(RunState(run.state), ""))

    def panels(self, request: HttpRequest, row: BackfillRun) -> list[Panel]:
        rejects = BackfillReject.objects.filter(tenant_id=row.tenant_id, run_id=row.id).order_by("line")[:MOST_REJECTS]
        rows = [(reject.line, reject.code, reject.column or "-", reject.why) for reject in rejects]
        return [Panel("Rows the book did not take", ("Line", "Code", "Column", "Why"), rows, empty="Every row was taken.")]


@admin.register(BackfillReject)
class BackfillRejectAdmin(LedgerAdmin):
    icon = "block"
    list_display = ("run", "tenant", "line", "code", "column", "why", "created_at")
    list_select_related = ("tenant", "run")
