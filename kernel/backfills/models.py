"""Backfill runs: which file was brought into which book, by whom, how far it came, and what was refused."""

from django.db import models
from django.db.models.functions import Now

from kernel.backfills.choices import RunState
from kernel.ledger.base_models import TenantOwned, tenant_foreign_key
from kernel.ledger.constraints import register_internal

# Rows of runs are made by our own commands: nothing that a caller sends leads here.
register_internal(
    "backfills_run_state_check",
    "backfills_run_position_check",
    "backfills_reject_line_key",
    "backfills_reject_run_fkey",
)


class BackfillRun(TenantOwned):
    """One file on its way into one tenant's book: planned, applied in batches, perhaps taken back.

    The posted rows name it (`request_id` = "run:<id>"). `position`, `line` and `offset` say how far it came and move in the transaction
    that posts the rows, so that no kill can part the two. `counts` and `sums` (decimal strings for each currency or unit) tell what was
    done.
    """

    command = models.CharField(max_length=64)
    source = models.TextField()
    format = models.CharField(max_length=16)
    # How the file's columns were read: map, set, ignore, delimiter.
    options = models.JSONField(default=dict)
    file_digest = models.CharField(max_length=64)
    file_size = models.BigIntegerField()
    # SHA-256 over the file's digest, the options and what the plan found: two runs with the same digest are the same plan.
    plan_digest = models.CharField(max_length=64)
    plan = models.JSONField()
    rows = models.BigIntegerField()
    state = models.CharField(max_length=16, choices=RunState.choices, default=RunState.PLANNED)
    actor = models.CharField(max_length=128)
    started_by = models.CharField(max_length=128)
    # Records done, the physical line and the byte (of the unpacked file) at which the next one begins.
    position = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    sums = models.JSONField(default=dict)
    # Why it stands still where it isn't finished.
    stopped_because = models.TextField(blank=True, default="")
    undone_rows = models.BigIntegerField(default=0)
    undone_by = models.CharField(max_length=128, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    moved_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "backfills_run"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=RunState.values), name="backfills_run_state_check"),
            models.CheckConstraint(
                condition=models.Q(position__gte=0, line__gte=0, offset__gte=0, rows__gte=models.F("position")),
                name="backfills_run_position_check",
            ),
        ]
        indexes = [models.Index(fields=["tenant", "file_digest"], name="backfills_run_file")]

    def __str__(self) -> str:
        return f"{self.command} {self.id}"

    @property
    def request_id(self) -> str:
        """What the rows that this run posted carry as their `request_id`."""
        return f"run:{self.id}"

    @property
    def undo_request_id(self) -> str:
        """What the reversing rows carry."""
        return f"undo:{self.id}"


class BackfillReject(TenantOwned):
    """A row of the file that the book did not take, with every reason. `record` is the row as it stood in the file, byte for byte."""

    run = tenant_foreign_key("backfills.BackfillRun", related_name="rejects")
    line = models.BigIntegerField()
    code = models.CharField(max_length=32)
    column = models.CharField(max_length=64, blank=True, default="")
    why = models.TextField()
    record = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "backfills_reject"
        ordering = ["run", "line"]
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "line"], name="backfills_reject_line_key")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"
