import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ledger.identifiers
from kernel.ledger.migration_operations import FirstStatistics, TenantKey


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0005_paying"),
        ("tenants", "0002_roles"),
    ]

    operations = [
        migrations.CreateModel(
            name="Usage",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("transactions", models.BigIntegerField(default=0)),
                ("repeated", models.BigIntegerField(default=0)),
                ("amount", models.DecimalField(decimal_places=18, default=0, max_digits=60)),
                ("estimated", models.DecimalField(decimal_places=18, default=0, max_digits=60)),
                ("input_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("output_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("cache_read_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("cache_write_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("input_audio_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("output_audio_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("reasoning_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("transaction_id", models.UUIDField()),
                ("currency", models.CharField(max_length=3)),
                ("occurred_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("service", models.CharField(max_length=255)),
                ("action", models.CharField(max_length=255)),
                ("resource", models.CharField(max_length=2048)),
                ("model", models.TextField(null=True)),
                ("agent", models.UUIDField(null=True)),
                ("customer", models.CharField(max_length=255, null=True)),
                ("trace", models.UUIDField()),
                ("outcome", models.CharField(max_length=16, null=True)),
                ("keys", models.JSONField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "verbose_name_plural": "usage",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["tenant", "occurred_at", "transaction_id"], name="metering_usage_occurred"),
                    models.Index(fields=["tenant", "recorded_at", "transaction_id"], name="metering_usage_recorded"),
                    models.Index(fields=["tenant", "trace", "occurred_at"], name="metering_usage_trace"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "transaction_id", "currency"), name="metering_usage_transaction_key")
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageKey",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("place", models.CharField(choices=[("qualifiers", "Qualifiers"), ("metadata", "Metadata")], max_length=16)),
                ("name", models.CharField(max_length=64)),
                ("number", models.SmallIntegerField()),
                ("declared_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                ("counts_from", models.DateTimeField(blank=True, null=True)),
                ("backfilled_at", models.DateTimeField(blank=True, null=True)),
                ("backfilled_id", models.UUIDField(blank=True, null=True)),
                ("has_sums", models.BooleanField(db_default=True, default=True)),
                ("actor", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("withdrawn_at__isnull", True)),
                        fields=("tenant", "place", "name"),
                        name="metering_usagekey_name_key",
                    ),
                    models.UniqueConstraint(fields=("tenant", "number"), name="metering_usagekey_number_key"),
                    models.CheckConstraint(condition=models.Q(("number__gte", 7)), name="metering_usagekey_number_check"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("place"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{qualifiers,metadata}'::text[])",
                            )
                        ),
                        name="metering_usagekey_place_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageNote",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("transaction_id", models.UUIDField()),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["tenant", "transaction_id"], name="metering_usagenote_transaction")],
            },
        ),
        migrations.CreateModel(
            name="UsageProgress",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("counted_until", models.DateTimeField()),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "verbose_name_plural": "usage progress",
                "ordering": ["-id"],
                "constraints": [models.UniqueConstraint(fields=("tenant",), name="metering_usageprogress_tenant_key")],
            },
        ),
        migrations.CreateModel(
            name="UsageSum",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("transactions", models.BigIntegerField(default=0)),
                ("repeated", models.BigIntegerField(default=0)),
                ("amount", models.DecimalField(decimal_places=18, default=0, max_digits=60)),
                ("estimated", models.DecimalField(decimal_places=18, default=0, max_digits=60)),
                ("input_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("output_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("cache_read_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("cache_write_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("input_audio_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("output_audio_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("reasoning_tokens", models.DecimalField(decimal_places=0, default=0, max_digits=60)),
                ("first_dimension", models.SmallIntegerField()),
                ("second_dimension", models.SmallIntegerField()),
                ("grain", models.CharField(choices=[("hour", "Hour"), ("day", "Day"), ("month", "Month")], max_length=5)),
                ("clock", models.CharField(choices=[("both", "Both"), ("occurred", "Occurred"), ("recorded", "Recorded")], max_length=8)),
                ("starts_at", models.DateTimeField()),
                ("digest", models.UUIDField()),
                ("first", models.TextField(null=True)),
                ("second", models.TextField(null=True)),
                ("currency", models.CharField(max_length=3)),
                ("outcome", models.CharField(max_length=16, null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-starts_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "first_dimension", "second_dimension", "grain", "clock", "starts_at", "digest"),
                        name="metering_usagesum_key",
                    )
                ],
            },
        ),
        TenantKey("Usage", row_first=True),
        TenantKey("UsageSum", row_first=True),
        TenantKey("UsageNote", row_first=True),
        TenantKey("UsageProgress"),
        TenantKey("UsageKey"),
        FirstStatistics("Usage"),
        FirstStatistics("UsageSum"),
        FirstStatistics("UsageNote"),
        FirstStatistics("UsageProgress"),
        FirstStatistics("UsageKey"),
        migrations.RunSQL("ALTER TABLE metering_usagesum SET (fillfactor = 70)", "ALTER TABLE metering_usagesum RESET (fillfactor)"),
    ]
