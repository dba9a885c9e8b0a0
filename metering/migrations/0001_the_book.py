import datetime
from decimal import Decimal

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ledger.documents
import kernel.ledger.identifiers
import kernel.ledger.money


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_tenants_and_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="Agent",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("label", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=255)),
                ("description", models.TextField(blank=True, null=True)),
                ("status", models.CharField(choices=[("active", "Active"), ("inactive", "Inactive")], default="active", max_length=16)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Policy",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("authorizes_at_once", models.BooleanField(default=True)),
                ("stale_after", models.DurationField(blank=True, null=True)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "verbose_name_plural": "policies",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("service_name", models.CharField(blank=True, default="", max_length=255)),
                ("action_name", models.CharField(blank=True, default="", max_length=255)),
                ("resource_name", models.CharField(blank=True, default="", max_length=2048)),
                ("currency", models.CharField(default="USD", max_length=3)),
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(blank=True, null=True)),
                ("actor", models.CharField(max_length=128)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Service",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("grain", models.CharField(choices=[("hour", "Hour"), ("day", "Day")], max_length=4)),
                ("starts_at", models.DateTimeField()),
                ("currency", models.CharField(max_length=3)),
                ("lane", models.PositiveSmallIntegerField()),
                ("transactions", models.BigIntegerField(default=0)),
                ("succeeded", models.BigIntegerField(default=0)),
                ("failed", models.BigIntegerField(default=0)),
                ("denied", models.BigIntegerField(default=0)),
                ("cancelled", models.BigIntegerField(default=0)),
                ("costs", models.BigIntegerField(default=0)),
                ("amount", kernel.ledger.money.MoneyField(default=0)),
                ("estimated", kernel.ledger.money.MoneyField(default=0)),
                (
                    "agent",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metering.agent",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "service",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metering.service",
                    ),
                ),
            ],
            options={
                "ordering": ["-starts_at"],
            },
        ),
        migrations.CreateModel(
            name="Trace",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("reference", models.UUIDField()),
                ("external_id", models.CharField(blank=True, max_length=255, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Transaction",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("action_name", models.CharField(max_length=255)),
                ("resource_name", models.CharField(max_length=2048)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("preparing", "Preparing"),
                            ("authorized", "Authorized"),
                            ("completed", "Completed"),
                            ("denied", "Denied"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=16,
                    ),
                ),
                ("outcome", models.CharField(blank=True, choices=[("success", "Success"), ("error", "Error")], max_length=16, null=True)),
                ("decline_reason", models.TextField(blank=True, null=True)),
                ("requires_payment", models.BooleanField(default=False)),
                ("qualifiers", kernel.ledger.documents.DocumentField()),
                ("metadata", kernel.ledger.documents.DocumentField(null=True)),
                ("request_facts", kernel.ledger.documents.DocumentField(null=True)),
                ("payment_data", kernel.ledger.documents.DocumentField(null=True)),
                ("updated_at", models.DateTimeField()),
                ("preparing_at", models.DateTimeField(blank=True, null=True)),
                ("authorized_at", models.DateTimeField(blank=True, null=True)),
                ("denied_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField(null=True)),
                (
                    "agent",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metering.agent",
                    ),
                ),
                (
                    "service",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metering.service",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "trace",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metering.trace",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="StatusChange",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                (
                    "from_status",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("pending", "Pending"),
                            ("preparing", "Preparing"),
                            ("authorized", "Authorized"),
                            ("completed", "Completed"),
                            ("denied", "Denied"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                (
                    "to_status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("preparing", "Preparing"),
                            ("authorized", "Authorized"),
                            ("completed", "Completed"),
                            ("denied", "Denied"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=16,
                    ),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="status_changes",
                        to="metering.transaction",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Fact",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("source", models.CharField(max_length=255)),
                ("version", models.CharField(max_length=64)),
                (
                    "phase",
                    models.CharField(
                        choices=[("request", "Request"), ("response", "Response"), ("partial", "Partial"), ("error", "Error")],
                        max_length=16,
                    ),
                ),
                ("facts", kernel.ledger.documents.DocumentField()),
                ("integration", kernel.ledger.documents.DocumentField(null=True)),
                (
                    "pricing",
                    models.CharField(
                        choices=[
                            ("priced", "Priced"),
                            ("not_asked", "Not Asked"),
                            ("unknown_model", "Unknown Model"),
                            ("missing_quantity", "Missing Quantity"),
                            ("already_known", "Already Known"),
                        ],
                        max_length=32,
                    ),
                ),
                ("pricing_note", models.CharField(blank=True, default="", max_length=512)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="fact_rows",
                        to="metering.transaction",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Cost",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("fiat_amount", kernel.ledger.money.MoneyField()),
                ("fiat_asset_symbol", models.CharField(max_length=3)),
                ("is_estimate", models.BooleanField()),
                ("is_active", models.BooleanField(default=True)),
                ("superseded_at", models.DateTimeField(blank=True, null=True)),
                ("cost_details", kernel.ledger.documents.DocumentField(null=True)),
                ("repricing", models.UUIDField(blank=True, null=True)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField(null=True)),
                (
                    "supersedes",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metering.cost",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "inferred_from",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metering.fact",
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cost_rows",
                        to="metering.transaction",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="UnitPrice",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("fact_key", models.CharField(max_length=255)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("per", models.PositiveBigIntegerField(default=1)),
                ("is_optional", models.BooleanField(default=False)),
                (
                    "price",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="unit_prices",
                        to="metering.price",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.UniqueConstraint(fields=("tenant", "name"), name="metering_agent_name_key"),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "inactive"])), name="metering_agent_status_check"
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.UniqueConstraint(fields=("tenant",), name="metering_policy_tenant_key"),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(("stale_after__isnull", True), ("stale_after__gt", datetime.timedelta(0)), _connector="OR"),
                name="metering_policy_stale_after_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.UniqueConstraint(
                fields=("tenant", "service_name", "action_name", "resource_name", "valid_from"), name="metering_price_valid_from_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid_to__isnull", True), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                name="metering_price_valid_to_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="metering_price_currency_check"),
        ),
        migrations.AddConstraint(
            model_name="service",
            constraint=models.UniqueConstraint(fields=("tenant", "name"), name="metering_service_name_key"),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.UniqueConstraint(
                fields=("tenant", "grain", "starts_at", "service", "agent", "currency", "lane"),
                name="metering_rollup_key",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.CheckConstraint(condition=models.Q(("grain__in", ["hour", "day"])), name="metering_rollup_grain_check"),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", Decimal("-100000000000000000000")), ("amount__lt", Decimal("100000000000000000000"))),
                name="metering_rollup_amount_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("estimated__gt", Decimal("-100000000000000000000")), ("estimated__lt", Decimal("100000000000000000000"))
                ),
                name="metering_rollup_estimated_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="trace",
            constraint=models.UniqueConstraint(fields=("tenant", "reference"), name="metering_trace_reference_key"),
        ),
        migrations.AddConstraint(
            model_name="trace",
            constraint=models.UniqueConstraint(fields=("tenant", "external_id"), name="metering_trace_external_id_key"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "created_at", "id"], name="metering_transaction_time"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "service", "created_at", "id"], name="metering_transaction_service"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("agent__isnull", False)),
                fields=["tenant", "agent", "created_at", "id"],
                name="metering_transaction_agent",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "trace", "created_at", "id"], name="metering_transaction_trace"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("status", "completed"), _negated=True),
                fields=["tenant", "status", "created_at", "id"],
                name="metering_transaction_open",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["created_at"], name="metering_transaction_book"),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.UniqueConstraint(fields=("tenant", "idempotency_key"), name="metering_transaction_idempotency_key_key"),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["pending", "preparing", "authorized", "completed", "denied", "cancelled"])),
                name="metering_transaction_status_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("completed_at__isnull", False), ("outcome__in", ["success", "error"]), ("status", "completed")),
                    models.Q(models.Q(("status", "completed"), _negated=True), ("completed_at__isnull", True), ("outcome__isnull", True)),
                    _connector="OR",
                ),
                name="metering_transaction_completed_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("denied_at__isnull", False), ("status", "denied")),
                    models.Q(models.Q(("status", "denied"), _negated=True), ("decline_reason__isnull", True), ("denied_at__isnull", True)),
                    _connector="OR",
                ),
                name="metering_transaction_denied_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cancelled_at__isnull", False), ("status", "cancelled")),
                    models.Q(models.Q(("status", "cancelled"), _negated=True), ("cancelled_at__isnull", True)),
                    _connector="OR",
                ),
                name="metering_transaction_cancelled_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["authorized", "completed"]), _negated=True), ("authorized_at__isnull", False), _connector="OR"
                ),
                name="metering_transaction_authorized_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("idempotency_key__isnull", True), ("facts_digest__isnull", False), _connector="OR"),
                name="metering_transaction_digest_check",
            ),
        ),
        migrations.AddIndex(
            model_name="statuschange",
            index=models.Index(fields=["created_at"], name="metering_statuschange_book"),
        ),
        migrations.AddConstraint(
            model_name="statuschange",
            constraint=models.UniqueConstraint(fields=("tenant", "idempotency_key"), name="metering_statuschange_idempotency_key_key"),
        ),
        migrations.AddConstraint(
            model_name="statuschange",
            constraint=models.CheckConstraint(
                condition=models.Q(("to_status__in", ["pending", "preparing", "authorized", "completed", "denied", "cancelled"])),
                name="metering_statuschange_to_status_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="statuschange",
            constraint=models.UniqueConstraint(fields=("tenant", "transaction", "to_status"), name="metering_statuschange_step_key"),
        ),
        migrations.AddIndex(
            model_name="fact",
            index=models.Index(fields=["created_at"], name="metering_fact_book"),
        ),
        migrations.AddConstraint(
            model_name="fact",
            constraint=models.UniqueConstraint(fields=("tenant", "idempotency_key"), name="metering_fact_idempotency_key_key"),
        ),
        migrations.AddConstraint(
            model_name="fact",
            constraint=models.CheckConstraint(
                condition=models.Q(("phase__in", ["request", "response", "partial", "error"])), name="metering_fact_phase_check"
            ),
        ),
        migrations.AddConstraint(
            model_name="fact",
            constraint=models.CheckConstraint(
                condition=models.Q(("pricing__in", ["priced", "not_asked", "unknown_model", "missing_quantity", "already_known"])),
                name="metering_fact_pricing_check",
            ),
        ),
        migrations.AddIndex(
            model_name="cost",
            index=models.Index(fields=["created_at"], name="metering_cost_book"),
        ),
        migrations.AddIndex(
            model_name="cost",
            index=models.Index(condition=models.Q(("repricing__isnull", False)), fields=["repricing"], name="metering_cost_repricing"),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fiat_amount__gt", Decimal("-100000000000000000000")), ("fiat_amount__lt", Decimal("100000000000000000000"))
                ),
                name="metering_cost_fiat_amount_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.CheckConstraint(condition=models.Q(("fiat_amount__gte", 0)), name="metering_cost_fiat_amount_check"),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.CheckConstraint(
                condition=models.Q(("fiat_asset_symbol__regex", "^[A-Z]{3}$")), name="metering_cost_fiat_asset_symbol_check"
            ),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("is_active", True), ("superseded_at__isnull", True)),
                    models.Q(("is_active", False), ("superseded_at__isnull", False)),
                    _connector="OR",
                ),
                name="metering_cost_is_active_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.CheckConstraint(
                condition=models.Q(("supersedes", models.F("id")), _negated=True), name="metering_cost_supersedes_check"
            ),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.UniqueConstraint(fields=("tenant", "supersedes"), name="metering_cost_supersedes_key"),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.UniqueConstraint(fields=("tenant", "transaction", "id"), name="metering_cost_transaction_key"),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.UniqueConstraint(fields=("tenant", "idempotency_key"), name="metering_cost_idempotency_key_key"),
        ),
        migrations.AddConstraint(
            model_name="unitprice",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", Decimal("-100000000000000000000")), ("amount__lt", Decimal("100000000000000000000"))),
                name="metering_unitprice_amount_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="unitprice",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gte", 0)), name="metering_unitprice_amount_check"),
        ),
        migrations.AddConstraint(
            model_name="unitprice",
            constraint=models.CheckConstraint(condition=models.Q(("per__gt", 0)), name="metering_unitprice_per_above_zero"),
        ),
        migrations.AddConstraint(
            model_name="unitprice",
            constraint=models.UniqueConstraint(fields=("tenant", "price", "fact_key"), name="metering_unitprice_fact_key_key"),
        ),
    ]
