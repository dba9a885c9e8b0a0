import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ledger.identifiers
import kernel.ledger.json_field


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("url", models.CharField(blank=True, max_length=2048)),
                ("description", models.CharField(blank=True, default="", max_length=1000)),
                ("enabled_events", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), size=None)),
                ("ordering", models.CharField(choices=[("none", "None"), ("account", "By account")], default="none", max_length=8)),
                ("payload", models.CharField(choices=[("full", "Full"), ("thin", "Thin")], default="full", max_length=8)),
                ("headers", models.JSONField(blank=True, default=dict)),
                ("metadata", kernel.ledger.json_field.DocumentField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[("enabled", "Enabled"), ("disabled", "Disabled"), ("deleted", "Deleted")], default="enabled", max_length=8
                    ),
                ),
                (
                    "disabled_reason",
                    models.CharField(
                        blank=True, choices=[("gone", "Gone"), ("failing", "Failing"), ("by_user", "By a person")], default="", max_length=8
                    ),
                ),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
                ("disabled_note", models.CharField(blank=True, default="", max_length=200)),
                ("secret_generation", models.PositiveIntegerField(default=1)),
                ("previous_valid_until", models.DateTimeField(blank=True, null=True)),
                ("consecutive_failures", models.PositiveIntegerField(default=0)),
                ("first_failure_at", models.DateTimeField(blank=True, null=True)),
                ("last_success_at", models.DateTimeField(blank=True, null=True)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("created_by", models.CharField(max_length=128)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["enabled", "disabled", "deleted"]),
                            models.Q(
                                models.Q(("disabled_reason", ""), ("status", "enabled")),
                                models.Q(("status", "enabled"), _negated=True),
                                _connector="OR",
                            ),
                        ),
                        name="events_endpoint_state_check",
                    ),
                    models.CheckConstraint(condition=models.Q(("secret_generation__gte", 1)), name="events_endpoint_secret_check"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("type", models.CharField(max_length=64)),
                ("account", models.CharField(blank=True, default="", max_length=300)),
                ("sequence", models.BigIntegerField(blank=True, null=True)),
                ("object_id", models.CharField(blank=True, default="", max_length=300)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("snapshot", kernel.ledger.json_field.DocumentField(blank=True, null=True)),
                ("body", models.TextField(blank=True, null=True)),
                ("position", models.BigIntegerField(blank=True, null=True)),
                ("fanned_out_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(condition=models.Q(("fanned_out_at__isnull", True)), fields=["id"], name="events_event_waiting"),
                    models.Index(
                        condition=models.Q(("fanned_out_at__isnull", True)),
                        fields=["tenant", "account", "sequence"],
                        name="events_event_ordered",
                    ),
                    models.Index(fields=["tenant", "type", "position"], name="events_event_type"),
                    models.Index(
                        condition=models.Q(("account", ""), _negated=True), fields=["tenant", "account", "-id"], name="events_event_account"
                    ),
                    models.Index(
                        condition=models.Q(("object_id", ""), _negated=True), fields=["tenant", "object_id"], name="events_event_object"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("position__isnull", False)), fields=("tenant", "position"), name="events_event_position_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("fanned_out_at__isnull", True), models.Q(("body__isnull", False), ("snapshot__isnull", True)), _connector="OR"
                        ),
                        name="events_event_fanned_out_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "origin",
                    models.CharField(
                        choices=[("live", "Live"), ("replay", "Replay"), ("recover", "Recovery"), ("test", "Test")],
                        default="live",
                        max_length=8,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("leased", "Being sent"),
                            ("waiting", "Waiting to retry"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                            ("skipped", "Skipped"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(db_default=0)),
                ("next_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("account", models.CharField(blank=True, default="", max_length=300)),
                ("sequence", models.BigIntegerField(blank=True, null=True)),
                ("released_by_age", models.BooleanField(default=False)),
                ("first_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("last_status_code", models.PositiveIntegerField(blank=True, null=True)),
                ("last_error", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="events.endpoint",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="events.event",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("pending", "leased", "waiting"))),
                        fields=["endpoint", "next_at", "id"],
                        name="events_delivery_due",
                    ),
                    models.Index(
                        condition=models.Q(
                            ("released_by_age", False),
                            ("state__in", ("pending", "leased", "waiting")),
                            models.Q(("account", ""), _negated=True),
                        ),
                        fields=["endpoint", "account", "sequence", "event"],
                        name="events_delivery_ordered",
                    ),
                    models.Index(fields=["tenant", "endpoint", "-id"], name="events_delivery_page"),
                    models.Index(fields=["tenant", "endpoint", "state", "-id"], name="events_delivery_state"),
                    models.Index(fields=["tenant", "event"], name="events_delivery_event"),
                    models.Index(
                        condition=models.Q(
                            ("state__in", ("pending", "leased", "waiting")),
                            models.Q(("account", ""), ("released_by_age", True), _connector="OR"),
                        ),
                        fields=["endpoint", "next_at", "id"],
                        name="events_delivery_unordered",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("origin", "live")), fields=("tenant", "event", "endpoint"), name="events_delivery_live_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("finished_at__isnull", True), ("state__in", ("pending", "leased", "waiting"))),
                            models.Q(
                                ("finished_at__isnull", False),
                                ("state__in", ["pending", "leased", "waiting", "delivered", "failed", "skipped"]),
                                models.Q(("state__in", ("pending", "leased", "waiting")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="events_delivery_state_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Listener",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("patterns", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), size=None)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant",), name="events_listener_tenant_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("duration_ms", models.PositiveIntegerField()),
                ("status_code", models.PositiveIntegerField(blank=True, null=True)),
                ("error", models.CharField(blank=True, default="", max_length=200)),
                ("request_headers", models.JSONField(default=dict)),
                ("response_head", models.TextField(blank=True, default="")),
                ("ip", models.CharField(blank=True, default="", max_length=64)),
                (
                    "tenant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempt_rows",
                        to="events.delivery",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "delivery", "number"), name="events_attempt_number_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="IdempotentCall",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=255)),
                ("operation", models.CharField(max_length=32)),
                ("facts_digest", models.BinaryField(max_length=256)),
                ("result", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "key"), name="events_idempotentcall_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SecretReading",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("generation", models.PositiveIntegerField()),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="events.endpoint",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["tenant", "endpoint", "-id"], name="events_secretreading_page"),
                ],
            },
        ),
    ]
