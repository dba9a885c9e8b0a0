import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ledger.identifiers
from kernel.ledger.operations import AppendOnly, TenantForeignKey, TenantKey

STATES = ["planned", "running", "paused", "interrupted", "finished", "undoing", "undone"]
CHECKPOINT = ("position", "line", "offset", "counts", "sums")
MOVING = (
    *("state", "source", "stopped_because", "undone_rows", "undone_by"),
    *("started_at", "moved_at", "finished_at", "undone_at"),
    *CHECKPOINT,
)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_append_only"), ("tenants", "0001_tenants_and_keys")]

    operations = [
        migrations.CreateModel(
            name="BackfillRun",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("command", models.CharField(max_length=64)),
                ("source", models.TextField()),
                ("format", models.CharField(max_length=16)),
                ("options", models.JSONField(default=dict)),
                ("file_digest", models.CharField(max_length=64)),
                ("file_size", models.BigIntegerField()),
                ("plan_digest", models.CharField(max_length=64)),
                ("plan", models.JSONField()),
                ("rows", models.BigIntegerField()),
                ("state", models.CharField(choices=[(state, state.title()) for state in STATES], default="planned", max_length=16)),
                ("actor", models.CharField(max_length=128)),
                ("started_by", models.CharField(max_length=128)),
                ("position", models.BigIntegerField(default=0)),
                ("line", models.BigIntegerField(default=0)),
                ("offset", models.BigIntegerField(default=0)),
                ("counts", models.JSONField(default=dict)),
                ("sums", models.JSONField(default=dict)),
                ("stopped_because", models.TextField(blank=True, default="")),
                ("undone_rows", models.BigIntegerField(default=0)),
                ("undone_by", models.CharField(blank=True, default="", max_length=128)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("moved_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("undone_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "db_table": "ledger_backfill_run",
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["tenant", "file_digest"], name="ledger_backfill_run_file")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("state__in", STATES)), name="ledger_backfill_run_state_check"),
                    models.CheckConstraint(
                        condition=models.Q(("line__gte", 0), ("offset__gte", 0), ("position__gte", 0), ("rows__gte", models.F("position"))),
                        name="ledger_backfill_run_position_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BackfillReject",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("line", models.BigIntegerField()),
                ("code", models.CharField(max_length=32)),
                ("column", models.CharField(blank=True, default="", max_length=64)),
                ("why", models.TextField()),
                ("record", models.BinaryField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rejects",
                        to="ledger.backfillrun",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "db_table": "ledger_backfill_reject",
                "ordering": ["run", "line"],
                "constraints": [models.UniqueConstraint(fields=("tenant", "run", "line"), name="ledger_backfill_reject_line_key")],
            },
        ),
        TenantKey("BackfillRun"),
        TenantKey("BackfillReject"),
        TenantForeignKey("BackfillReject", "run"),
        AppendOnly("BackfillRun", may_change=MOVING),
        AppendOnly("BackfillReject"),
    ]
