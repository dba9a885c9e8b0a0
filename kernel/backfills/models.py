"""Backfill runs: which file was imported for which tenant, by whom, its progress, and the rows that were refused."""

from django.db import models
from django.db.models.functions import Now

from kernel.backfills.choices import RunState, StepName, UploadState
from kernel.ledger.base_models import TenantOwned, tenant_foreign_key


class BackfillRun(TenantOwned):
    """The backfill of a file, or several, into one tenant's ledger: planned, applied in batches, perhaps undone.

    The posted rows carry its `request_id` ("run:<id>"). `position`, `line` and `offset` are the checkpoint: they are updated in the
    transaction that posts the rows, so a kill can't separate them. `counts`: rows by outcome. `sums`: decimal strings by currency or unit.
    """

    command = models.CharField(max_length=64)
    # Paths, one a line.
    source = models.TextField()
    format = models.CharField(max_length=16)
    # How the file is read: kernel.backfills.reading.options.ReadingOptions.
    options = models.JSONField(default=dict)
    file_digest = models.CharField(max_length=64)
    file_size = models.BigIntegerField()
    # SHA-256 over the file's digest, the options and the plan's result: equal for two runs of the same plan.
    plan_digest = models.CharField(max_length=64)
    plan = models.JSONField()
    rows = models.BigIntegerField()
    state = models.CharField(max_length=16, choices=RunState.choices, default=RunState.PLANNED)
    actor = models.CharField(max_length=128)
    started_by = models.CharField(max_length=128)
    # How many processes post it, each a share of its accounts; fixed when it starts.
    jobs = models.IntegerField(default=1)
    # Records done; the last line of the last of them in its file, and where the next one begins (kernel.backfills.reading.sources).
    position = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    sums = models.JSONField(default=dict)
    # Why it stopped before the end.
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
        return f"Backfill of {self.first_file}"

    @property
    def first_file(self) -> str:
        """A run of several files has a line for each."""
        return self.source.partition("\n")[0]

    @property
    def request_id(self) -> str:
        """The `request_id` of the rows that this run posted."""
        return f"run:{self.id}"

    @property
    def undo_request_id(self) -> str:
        """The `request_id` of the rows that undo this run."""
        return f"undo:{self.id}"


class BackfillShare(TenantOwned):
    """One of the shares of a run that several processes post (--jobs): the rows of some of its accounts, with a checkpoint of its own.

    The share's rows are posted in the file's order. While the shares work, the run's own position and counts follow theirs.
    """

    run = tenant_foreign_key("backfills.BackfillRun", related_name="shares")
    # From 0 to the run's jobs.
    number = models.IntegerField()
    position = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    sums = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "backfills_share"
        ordering = ["run", "number"]
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "number"], name="backfills_share_number_key")]

    def __str__(self) -> str:
        return f"share {self.number}: {self.position} rows"


class BackfillReject(TenantOwned):
    """A refused row of the file with the reasons. `record` holds its bytes unchanged."""

    run = tenant_foreign_key("backfills.BackfillRun", related_name="rejects")
    # The number of the file in the run's source, from 0, and the line in it.
    part = models.IntegerField(default=0)
    line = models.BigIntegerField()
    code = models.CharField(max_length=32)
    column = models.CharField(max_length=64, blank=True, default="")
    why = models.TextField()
    record = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "backfills_reject"
        ordering = ["run", "part", "line"]
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "part", "line"], name="backfills_reject_line_key")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


class BackfillUpload(TenantOwned):
    """A file that a member of staff uploaded: how it is read, the newest plan of it, and what is to be done with it.

    The file itself is in settings.BACKFILL_FOLDER (kernel.backfills.uploads.stored_files). `arguments`: how it is read, as options of the
    command line. `look`: what the first records show: columns, recognised profiles, the first rows. `run`: the newest plan. `done`: bytes
    that the plan under way has read; else the rows that were done when the job last began. `tries`: how often it began there. `moves`: how
    much was asked to be moved, by unit, as decimal text; decided by `decided_by` where one person may not move so much.
    """

    command = models.CharField(max_length=64)
    file_name = models.CharField(max_length=255)
    file_size = models.BigIntegerField()
    file_digest = models.CharField(max_length=64)
    arguments = models.JSONField(default=list)
    look = models.JSONField(default=dict)
    run = tenant_foreign_key("backfills.BackfillRun", null=True)
    state = models.CharField(max_length=16, choices=UploadState.choices, default=UploadState.PLANNING)
    # Why it is not planned, or why the work stopped.
    problem = models.TextField(blank=True, default="")
    done = models.BigIntegerField(default=0)
    tries = models.IntegerField(default=0)
    moves = models.JSONField(default=dict)
    actor = models.CharField("uploaded by", max_length=128)
    requested_by = models.CharField(max_length=128, blank=True, default="")
    decided_by = models.CharField(max_length=128, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    moved_at = models.DateTimeField(db_default=Now())
    file_deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "backfills_upload"
        verbose_name = "uploaded file"
        ordering = ["-id"]
        permissions = [
            ("request_backfillupload", "Can upload files, plan them and request their posting"),
            ("decide_backfillupload", "Can approve and reject what others request"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=UploadState.values), name="backfills_upload_state_check"),
            # Nobody decides what they asked for, even if the application has a fault.
            models.CheckConstraint(
                condition=models.Q(decided_by="") | ~models.Q(decided_by=models.F("requested_by")), name="backfills_upload_other_decides"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="backfills_upload_working", condition=models.Q(state__in=["planning", "applying", "undoing"]))
        ]

    def __str__(self) -> str:
        return self.file_name


class BackfillUploadStep(TenantOwned):
    """What a person did with an uploaded file, and when. Its id is that of the form, so that a form submitted twice is one step."""

    upload = tenant_foreign_key("backfills.BackfillUpload", related_name="steps")
    run = tenant_foreign_key("backfills.BackfillRun", null=True)
    what = models.CharField(max_length=16, choices=StepName.choices)
    actor = models.CharField(max_length=128)
    reason = models.TextField(blank=True, default="")
    request_id = models.CharField(max_length=128, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "backfills_uploadstep"
        verbose_name = "step of an uploaded file"
        verbose_name_plural = "steps of uploaded files"
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=models.Q(what__in=StepName.values), name="backfills_uploadstep_what_check")]

    def __str__(self) -> str:
        return str(self.what)
