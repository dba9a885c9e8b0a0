import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ledger.identifiers


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_tables"),
    ]

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
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planned", "Planned"),
                            ("running", "Running"),
                            ("paused", "Paused"),
                            ("interrupted", "Interrupted"),
                            ("finished", "Finished"),
                            ("undoing", "Undoing"),
                            ("undone", "Undone"),
                        ],
                        default="planned",
                        max_length=16,
                    ),
                ),
                ("actor", models.CharField(max_length=128)),
                ("started_by", models.CharField(max_length=128)),
                ("jobs", models.IntegerField(default=1)),
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
                "db_table": "backfills_run",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["tenant", "file_digest"], name="backfills_run_file"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["planned", "running", "paused", "interrupted", "finished", "undoing", "undone"])),
                        name="backfills_run_state_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("line__gte", 0), ("offset__gte", 0), ("position__gte", 0), ("rows__gte", models.F("position"))),
                        name="backfills_run_position_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BackfillShare",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.IntegerField()),
                ("position", models.BigIntegerField(default=0)),
                ("line", models.BigIntegerField(default=0)),
                ("offset", models.BigIntegerField(default=0)),
                ("counts", models.JSONField(default=dict)),
                ("sums", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shares",
                        to="backfills.backfillrun",
                    ),
                ),
            ],
            options={
                "db_table": "backfills_share",
                "ordering": ["run", "number"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "run", "number"), name="backfills_share_number_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="BackfillReject",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("part", models.IntegerField(default=0)),
                ("line", models.BigIntegerField()),
                ("code", models.CharField(max_length=32)),
                ("column", models.CharField(blank=True, default="", max_length=64)),
                ("why", models.TextField()),
                ("record", models.BinaryField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rejects",
                        to="backfills.backfillrun",
                    ),
                ),
            ],
            options={
                "db_table": "backfills_reject",
                "ordering": ["run", "part", "line"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "run", "part", "line"), name="backfills_reject_line_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="BackfillUpload",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("command", models.CharField(max_length=64)),
                ("file_name", models.CharField(max_length=255)),
                ("file_size", models.BigIntegerField()),
                ("file_digest", models.CharField(max_length=64)),
                ("arguments", models.JSONField(default=list)),
                ("look", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planning", "Being planned"),
                            ("refused", "Not planned"),
                            ("planned", "Planned"),
                            ("requested", "Waits for approval"),
                            ("applying", "Being posted"),
                            ("paused", "Paused"),
                            ("stopped", "Stopped"),
                            ("applied", "Posted"),
                            ("undo_requested", "Undo waits for approval"),
                            ("undoing", "Being taken back"),
                            ("undone", "Taken back"),
                        ],
                        default="planning",
                        max_length=16,
                    ),
                ),
                ("problem", models.TextField(blank=True, default="")),
                ("done", models.BigIntegerField(default=0)),
                ("tries", models.IntegerField(default=0)),
                ("moves", models.JSONField(default=dict)),
                ("actor", models.CharField(max_length=128, verbose_name="uploaded by")),
                ("requested_by", models.CharField(blank=True, default="", max_length=128)),
                ("decided_by", models.CharField(blank=True, default="", max_length=128)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("moved_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("file_deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="backfills.backfillrun",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "verbose_name": "uploaded file",
                "db_table": "backfills_upload",
                "ordering": ["-id"],
                "permissions": [
                    ("request_backfillupload", "Can upload files, plan them and request their posting"),
                    ("decide_backfillupload", "Can approve and reject what others request"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["planning", "applying", "undoing"])),
                        fields=["id"],
                        name="backfills_upload_working",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "planning",
                                    "refused",
                                    "planned",
                                    "requested",
                                    "applying",
                                    "paused",
                                    "stopped",
                                    "applied",
                                    "undo_requested",
                                    "undoing",
                                    "undone",
                                ],
                            )
                        ),
                        name="backfills_upload_state_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decided_by", ""), models.Q(("decided_by", models.F("requested_by")), _negated=True), _connector="OR"
                        ),
                        name="backfills_upload_other_decides",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BackfillUploadStep",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("uploaded", "uploaded the file"),
                            ("planned", "requested a plan"),
                            ("apply", "posted it"),
                            ("request_apply", "requested approval to post it"),
                            ("undo", "took it back"),
                            ("request_undo", "requested approval to take it back"),
                            ("approved", "approved"),
                            ("rejected", "rejected"),
                            ("withdrawn", "withdrew the request"),
                            ("cancelled", "cancelled the plan"),
                            ("paused", "paused it"),
                            ("continued", "let it go on"),
                            ("file_deleted", "deleted the file, whose time was over"),
                        ],
                        max_length=16,
                    ),
                ),
                ("actor", models.CharField(max_length=128)),
                ("reason", models.TextField(blank=True, default="")),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="backfills.backfillrun",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "upload",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="backfills.backfillupload",
                    ),
                ),
            ],
            options={
                "verbose_name": "step of an uploaded file",
                "verbose_name_plural": "steps of uploaded files",
                "db_table": "backfills_uploadstep",
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "what__in",
                                [
                                    "uploaded",
                                    "planned",
                                    "apply",
                                    "request_apply",
                                    "undo",
                                    "request_undo",
                                    "approved",
                                    "rejected",
                                    "withdrawn",
                                    "cancelled",
                                    "paused",
                                    "continued",
                                    "file_deleted",
                                ],
                            )
                        ),
                        name="backfills_uploadstep_what_check",
                    ),
                ],
            },
        ),
    ]
