from django.db import migrations

from kernel.ledger.migration_operations import AppendOnly, TenantForeignKey, TenantKey

CHECKPOINT = ("position", "line", "offset", "counts", "sums")
CHANGING = (
    *("state", "source", "jobs", "stopped_because", "undone_rows", "undone_by"),
    *("started_at", "moved_at", "finished_at", "undone_at"),
    *CHECKPOINT,
)


class Migration(migrations.Migration):
    dependencies = [("backfills", "0001_tables"), ("ledger", "0001_functions")]

    operations = [
        TenantKey("BackfillRun"),
        TenantKey("BackfillShare"),
        TenantKey("BackfillReject"),
        TenantForeignKey("BackfillShare", "run"),
        TenantForeignKey("BackfillReject", "run"),
        AppendOnly("BackfillRun", may_change=CHANGING),
        AppendOnly("BackfillShare", may_change=CHECKPOINT),
        AppendOnly("BackfillReject"),
    ]
