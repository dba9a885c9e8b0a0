from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, TenantForeignKey, TenantKey

CHECKPOINT = ("position", "line", "offset", "counts", "sums")
CHANGING_IN_RUNS = (
    *("state", "source", "jobs", "stopped_because", "undone_rows", "undone_by"),
    *("started_at", "moved_at", "finished_at", "undone_at"),
    *CHECKPOINT,
)
CHANGING_IN_UPLOADS = (
    *("command", "arguments", "look", "run_id", "state", "problem", "done", "tries", "moves"),
    *("requested_by", "decided_by", "moved_at", "file_deleted_at"),
)


class Migration(migrations.Migration):
    dependencies = [("backfills", "0001_tables"), ("ledger", "0001_functions")]

    operations = [
        TenantKey("BackfillRun"),
        TenantKey("BackfillShare"),
        TenantKey("BackfillReject"),
        TenantKey("BackfillUpload"),
        TenantKey("BackfillUploadStep"),
        TenantForeignKey("BackfillShare", "run"),
        TenantForeignKey("BackfillReject", "run"),
        TenantForeignKey("BackfillUpload", "run"),
        TenantForeignKey("BackfillUploadStep", "upload", index=True),
        TenantForeignKey("BackfillUploadStep", "run"),
        AppendOnly("BackfillRun", may_change=CHANGING_IN_RUNS),
        AppendOnly("BackfillShare", may_change=CHECKPOINT),
        AppendOnly("BackfillReject"),
        AppendOnly("BackfillUpload", may_change=CHANGING_IN_UPLOADS),
        AppendOnly("BackfillUploadStep"),
    ]
