from decimal import Decimal

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ledger.identifiers
import kernel.ledger.money


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="CorrectionRequest",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=64)),
                ("facts", models.JSONField(default=dict)),
                (
                    "reason_code",
                    models.CharField(
                        choices=[
                            ("duplicate", "Recorded twice"),
                            ("wrong_amount", "Wrong amount"),
                            ("wrong_account", "Wrong customer, wallet or grant"),
                            ("service_failure", "The service was not delivered"),
                            ("customer_request", "Asked for by the customer"),
                            ("goodwill", "Goodwill"),
                            ("fraud", "Fraud"),
                            ("other", "Other, see the text"),
                        ],
                        max_length=32,
                    ),
                ),
                ("reason", models.TextField()),
                ("evidence_link", models.CharField(blank=True, default="", max_length=2000)),
                ("size", models.JSONField(default=dict)),
                ("needs_approval", models.BooleanField()),
                ("preview", models.PositiveIntegerField(default=1)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting for approval"),
                            ("posted", "Posted"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="waiting",
                        max_length=16,
                    ),
                ),
                ("requested_by", models.CharField(max_length=128)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("decided_by", models.CharField(blank=True, default="", max_length=128)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "db_table": "corrections_request",
                "ordering": ["-id"],
                "permissions": [
                    ("request_correctionrequest", "Can request corrections"),
                    ("decide_correctionrequest", "Can approve and reject corrections"),
                    ("comment_correctionrequest", "Can comment on corrections"),
                ],
                "indexes": [
                    models.Index(condition=models.Q(("state", "waiting")), fields=["id"], name="corrections_request_waiting"),
                    models.Index(fields=["requested_by", "id"], name="corrections_request_requester"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["waiting", "posted", "rejected", "withdrawn"])),
                        name="corrections_request_state_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("decided_by", models.F("requested_by")), _negated=True),
                        name="corrections_request_other_decides",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", True), ("state", "waiting")),
                            models.Q(models.Q(("state", "waiting"), _negated=True), ("decided_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="corrections_request_decided_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("needs_approval", True), ("state__in", ["posted", "rejected"]), models.Q(("decided_by", ""), _negated=True)
                            ),
                            models.Q(("decided_by", ""), ("needs_approval", True), ("state__in", ["waiting", "withdrawn"])),
                            models.Q(("decided_by", ""), ("needs_approval", False), ("state", "posted")),
                            _connector="OR",
                        ),
                        name="corrections_request_approved_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CorrectionLine",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("position", models.PositiveIntegerField()),
                ("target_label", models.CharField(max_length=100)),
                ("target_id", models.UUIDField()),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="corrections.correctionrequest",
                    ),
                ),
            ],
            options={
                "db_table": "corrections_line",
                "ordering": ["request", "position"],
                "indexes": [
                    models.Index(fields=["tenant", "target_id"], name="corrections_line_target"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "request", "position"), name="corrections_line_position_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="CorrectionEvidence",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("actor", models.CharField(max_length=128)),
                ("name", models.CharField(max_length=255)),
                ("content_type", models.CharField(max_length=100)),
                ("content", models.BinaryField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence",
                        to="corrections.correctionrequest",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "correction evidence",
                "db_table": "corrections_evidence",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="CorrectionEntry",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("version", models.PositiveIntegerField()),
                ("position", models.PositiveIntegerField()),
                ("target_id", models.UUIDField()),
                ("account_label", models.CharField(max_length=100)),
                ("account_id", models.UUIDField()),
                ("account_name", models.CharField(max_length=500)),
                ("entry_number", models.BigIntegerField(blank=True, null=True)),
                ("what", models.CharField(max_length=1000)),
                ("remark", models.CharField(blank=True, default="", max_length=1000)),
                ("unit", models.CharField(max_length=255)),
                ("effect", kernel.ledger.money.MoneyField()),
                ("balance_before", kernel.ledger.money.MoneyField()),
                ("balance_after", kernel.ledger.money.MoneyField()),
                ("entry_label", models.CharField(max_length=100)),
                ("entry_id", models.UUIDField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="corrections.correctionrequest",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "correction entries",
                "db_table": "corrections_entry",
                "ordering": ["request", "version", "position"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "request", "version", "position"), name="corrections_entry_position_key"),
                    models.CheckConstraint(
                        condition=models.Q(("effect__lt", Decimal("100000000000000000000"))), name="corrections_entry_effect_finite"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CorrectionComment",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("actor", models.CharField(max_length=128)),
                ("text", models.TextField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="comments",
                        to="corrections.correctionrequest",
                    ),
                ),
            ],
            options={
                "db_table": "corrections_comment",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="CorrectionStateChange",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("from_state", models.CharField(blank=True, default="", max_length=16)),
                (
                    "to_state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting for approval"),
                            ("posted", "Posted"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        max_length=16,
                    ),
                ),
                ("actor", models.CharField(max_length=128)),
                ("reason", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="corrections.correctionrequest",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "db_table": "corrections_statechange",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="CorrectionThreshold",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("unit", models.CharField(max_length=255)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("updated_by", models.CharField(max_length=128)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                ("daily_amount", kernel.ledger.money.MoneyField(blank=True, null=True)),
            ],
            options={
                "db_table": "corrections_threshold",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "unit"), name="corrections_threshold_unit_key"),
                    models.CheckConstraint(condition=models.Q(("amount__gte", 0)), name="corrections_threshold_amount_check"),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="corrections_threshold_amount_finite"
                    ),
                    models.CheckConstraint(condition=models.Q(("daily_amount__gte", 0)), name="corrections_threshold_daily_amount_check"),
                    models.CheckConstraint(
                        condition=models.Q(("daily_amount__lt", Decimal("100000000000000000000"))),
                        name="corrections_threshold_daily_amount_finite",
                    ),
                ],
            },
        ),
    ]
