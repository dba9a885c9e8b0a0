import datetime
from decimal import Decimal

import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
from django.db import migrations, models

import kernel.ledger.identifiers
import kernel.ledger.json_field
import kernel.ledger.money


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_tables"),
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
                ("customer_id", models.CharField(blank=True, max_length=255, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "name"), name="metering_agent_name_key"),
                    models.CheckConstraint(condition=models.Q(("status__in", ["active", "inactive"])), name="metering_agent_status_check"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Policy",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("authorizes_at_once", models.BooleanField(default=True)),
                ("stale_after", models.DurationField(blank=True, null=True)),
                (
                    "reported_costs",
                    models.CharField(
                        choices=[("compare", "Compare"), ("actual", "Actual")], db_default="compare", default="compare", max_length=16
                    ),
                ),
                ("prices_self_hosted", models.BooleanField(db_default=False, default=False)),
                ("has_rules", models.BooleanField(db_default=False, default=False, editable=False)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                ("holds_estimates", models.BooleanField(default=False, db_default=False)),
                ("payer_customer_id", models.CharField(max_length=255, null=True, blank=True)),
                ("allows_overdraft", models.BooleanField(default=False, db_default=False)),
                ("backdating_limit", models.DurationField(db_default=datetime.timedelta(days=35), default=datetime.timedelta(days=35))),
                ("postdating_limit", models.DurationField(db_default=datetime.timedelta(minutes=5), default=datetime.timedelta(minutes=5))),
            ],
            options={
                "verbose_name_plural": "policies",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant",), name="metering_policy_tenant_key"),
                    models.CheckConstraint(
                        condition=models.Q(("stale_after__isnull", True), ("stale_after__gt", datetime.timedelta(0)), _connector="OR"),
                        name="metering_policy_stale_after_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("reported_costs"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{compare,actual}'::text[])",
                            )
                        ),
                        name="metering_policy_reported_costs_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            backdating_limit__range=(datetime.timedelta(0), datetime.timedelta(days=3650)),
                            postdating_limit__range=(datetime.timedelta(0), datetime.timedelta(days=3650)),
                        ),
                        name="metering_policy_time_limits_check",
                    ),
                ],
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
                ("flat_amount", kernel.ledger.money.MoneyField(db_default=0, default=0)),
                ("minimum", kernel.ledger.money.MoneyField(db_default=0, default=0)),
                ("markup", models.DecimalField(blank=True, decimal_places=6, max_digits=12, null=True)),
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
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "service_name", "action_name", "resource_name", "valid_from"),
                        name="metering_price_valid_from_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("valid_to__isnull", True), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                        name="metering_price_valid_to_check",
                    ),
                    models.CheckConstraint(condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="metering_price_currency_check"),
                    models.CheckConstraint(
                        condition=models.Q(("flat_amount__lt", Decimal("100000000000000000000"))), name="metering_price_flat_amount_finite"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("minimum__lt", Decimal("100000000000000000000"))), name="metering_price_minimum_finite"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("flat_amount__gte", 0), ("minimum__gte", 0)), name="metering_price_amounts_check"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("markup__isnull", True), models.Q(("markup__gte", -1), ("markup__lte", 1000)), _connector="OR"),
                        name="metering_price_markup_check",
                    ),
                ],
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
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "name"), name="metering_service_name_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("grain", models.CharField(choices=[("hour", "Hour"), ("day", "Day")], max_length=4)),
                ("starts_at", models.DateTimeField()),
                ("currency", models.CharField(max_length=3)),
                ("shard", models.PositiveSmallIntegerField()),
                ("transactions", models.BigIntegerField(default=0)),
                ("succeeded", models.BigIntegerField(default=0)),
                ("failed", models.BigIntegerField(default=0)),
                ("denied", models.BigIntegerField(default=0)),
                ("cancelled", models.BigIntegerField(default=0)),
                ("costs", models.BigIntegerField(default=0)),
                ("amount", models.DecimalField(decimal_places=18, default=0, max_digits=60)),
                ("estimated", models.DecimalField(decimal_places=18, default=0, max_digits=60)),
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
                "indexes": [
                    models.Index(fields=["starts_at"], name="metering_rollup_time"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "grain", "starts_at", "service", "agent", "currency", "shard"),
                        name="metering_rollup_key",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("grain"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{hour,day}'::text[])",
                            )
                        ),
                        name="metering_rollup_grain_check",
                    ),
                ],
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
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "reference"), name="metering_trace_reference_key"),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id__isnull", False)),
                        fields=("tenant", "external_id"),
                        name="metering_trace_external_id_key",
                    ),
                ],
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
                ("qualifiers", kernel.ledger.json_field.DocumentField()),
                ("metadata", kernel.ledger.json_field.DocumentField(null=True)),
                ("request_facts", kernel.ledger.json_field.DocumentField(null=True)),
                ("payment_data", kernel.ledger.json_field.DocumentField(null=True)),
                ("customer_id", models.CharField(blank=True, max_length=255, null=True)),
                ("round", models.SmallIntegerField(db_default=1, default=1)),
                ("updated_at", models.DateTimeField()),
                ("preparing_at", models.DateTimeField(blank=True, null=True)),
                ("authorized_at", models.DateTimeField(blank=True, null=True)),
                ("denied_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField()),
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
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
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
                "indexes": [
                    models.Index(fields=["tenant", "created_at", "id"], name="metering_transaction_time"),
                    models.Index(fields=["tenant", "service", "created_at", "id"], name="metering_transaction_service"),
                    models.Index(
                        condition=models.Q(("agent__isnull", False)),
                        fields=["tenant", "agent", "created_at", "id"],
                        name="metering_transaction_agent",
                    ),
                    models.Index(fields=["tenant", "trace", "created_at", "id"], name="metering_transaction_trace"),
                    models.Index(
                        condition=models.Q(("customer_id", None), _negated=True),
                        fields=["tenant", "customer_id", "created_at", "id"],
                        name="metering_transaction_customer",
                    ),
                    models.Index(
                        condition=models.Q(("status", "completed"), _negated=True),
                        fields=["tenant", "status", "created_at", "id"],
                        name="metering_transaction_open",
                    ),
                    models.Index(
                        condition=models.Q(("request_id__startswith", "run:")),
                        fields=["tenant", "request_id", "id"],
                        name="metering_transaction_run",
                    ),
                    models.Index(fields=["tenant", "occurred_at", "id"], name="metering_transaction_occurred"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("tenant", "idempotency_key"),
                        name="metering_transaction_idempotency_key_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("status"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{pending,preparing,authorized,completed,denied,cancelled}'::text[])",
                            )
                        ),
                        name="metering_transaction_status_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                django.db.models.lookups.IsNull(models.F("completed_at"), rhs=False),
                                django.db.models.lookups.Exact(models.F("status"), "completed"),
                            ),
                            django.db.models.lookups.Exact(
                                django.db.models.lookups.IsNull(models.F("outcome"), rhs=True),
                                django.db.models.lookups.IsNull(models.F("completed_at"), rhs=True),
                            ),
                            models.Func(
                                models.F("outcome"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{success,error}'::text[])",
                            ),
                        ),
                        name="metering_transaction_completed_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                django.db.models.lookups.IsNull(models.F("denied_at"), rhs=False),
                                django.db.models.lookups.Exact(models.F("status"), "denied"),
                            ),
                            models.Q(("decline_reason__isnull", True), ("denied_at__isnull", False), _connector="OR"),
                        ),
                        name="metering_transaction_denied_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                django.db.models.lookups.IsNull(models.F("cancelled_at"), rhs=False),
                                django.db.models.lookups.Exact(models.F("status"), "cancelled"),
                            )
                        ),
                        name="metering_transaction_cancelled_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("authorized_at__isnull", False),
                            models.Q(
                                models.Func(
                                    models.F("status"),
                                    output_field=models.BooleanField(),
                                    template="%(expressions)s = ANY ('{authorized,completed}'::text[])",
                                ),
                                _negated=True,
                            ),
                            _connector="OR",
                        ),
                        name="metering_transaction_authorized_check",
                    ),
                ],
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
                ("round", models.SmallIntegerField(db_default=1, default=1)),
                ("reason", models.TextField(blank=True, default="")),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField(null=True)),
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
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("tenant", "idempotency_key"),
                        name="metering_statuschange_idempotency_key_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("to_status"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{pending,preparing,authorized,completed,denied,cancelled}'::text[])",
                            )
                        ),
                        name="metering_statuschange_to_status_check",
                    ),
                    models.UniqueConstraint(fields=("tenant", "transaction", "to_status", "round"), name="metering_statuschange_step_key"),
                ],
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
                ("facts", kernel.ledger.json_field.DocumentField()),
                ("integration", kernel.ledger.json_field.DocumentField(null=True)),
                (
                    "pricing",
                    models.CharField(
                        choices=[
                            ("priced", "Priced"),
                            ("partly_read", "Partly read"),
                            ("not_asked", "Not asked"),
                            ("unknown_model", "Unknown model"),
                            ("missing_quantity", "Missing quantity"),
                            ("already_known", "Already known"),
                            ("late", "Late"),
                        ],
                        max_length=32,
                    ),
                ),
                ("pricing_note", models.CharField(blank=True, default="", max_length=512)),
                ("pricing_fields", kernel.ledger.json_field.DocumentField(null=True)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField(null=True)),
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
                    "transaction",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="fact_rows",
                        to="metering.transaction",
                    ),
                ),
                ("call_id", models.CharField(blank=True, max_length=255, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("tenant", "idempotency_key"),
                        name="metering_fact_idempotency_key_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("phase"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{request,response,partial,error}'::text[])",
                            )
                        ),
                        name="metering_fact_phase_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("pricing"),
                                output_field=models.BooleanField(),
                                template=(
                                    "%(expressions)s = ANY "
                                    "('{priced,partly_read,not_asked,unknown_model,missing_quantity,already_known,late}'::text[])"
                                ),
                            )
                        ),
                        name="metering_fact_pricing_check",
                    ),
                ],
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
                ("cost_details", kernel.ledger.json_field.DocumentField(null=True)),
                ("repricing", models.UUIDField(blank=True, null=True)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField(null=True)),
                (
                    "superseded_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="superseded_costs",
                        to="metering.cost",
                    ),
                ),
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
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
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
                ("payment_id", models.UUIDField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(condition=models.Q(("repricing__isnull", False)), fields=["repricing"], name="metering_cost_repricing"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("fiat_amount__lt", Decimal("100000000000000000000"))), name="metering_cost_fiat_amount_finite"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("fiat_amount__gte", Decimal("0.0"))), name="metering_cost_fiat_amount_check"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("fiat_asset_symbol__regex", "^[A-Z]{3}$")), name="metering_cost_fiat_asset_symbol_check"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                models.F("is_active"), django.db.models.lookups.IsNull(models.F("superseded_at"), rhs=True)
                            ),
                            django.db.models.lookups.Exact(
                                models.F("is_active"), django.db.models.lookups.IsNull(models.F("superseded_by"), rhs=True)
                            ),
                        ),
                        name="metering_cost_is_active_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("supersedes"),
                                models.F("id"),
                                arg_joiner=" <> ",
                                output_field=models.BooleanField(),
                                template="%(expressions)s",
                            )
                        ),
                        name="metering_cost_supersedes_check",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("supersedes__isnull", False)),
                        fields=("tenant", "supersedes"),
                        name="metering_cost_supersedes_key",
                    ),
                    models.UniqueConstraint(fields=("tenant", "transaction", "id"), name="metering_cost_transaction_key"),
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("tenant", "idempotency_key"),
                        name="metering_cost_idempotency_key_key",
                    ),
                ],
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
                ("is_package", models.BooleanField(db_default=False, default=False)),
                (
                    "tier_mode",
                    models.CharField(
                        blank=True,
                        choices=[("graduated", "Graduated"), ("volume", "Volume")],
                        db_default="",
                        default="",
                        max_length=16,
                    ),
                ),
                ("tiers", kernel.ledger.json_field.DocumentField(blank=True, null=True)),
                ("part_of", models.CharField(blank=True, default="", max_length=255)),
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
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="metering_unitprice_amount_finite"
                    ),
                    models.CheckConstraint(condition=models.Q(("amount__gte", 0)), name="metering_unitprice_amount_check"),
                    models.CheckConstraint(condition=models.Q(("per__gt", 0)), name="metering_unitprice_per_above_zero"),
                    models.CheckConstraint(
                        condition=models.Q(("tier_mode__in", ["", "graduated", "volume"])), name="metering_unitprice_tier_mode_check"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("tier_mode", ""), ("tiers__isnull", True)),
                            models.Q(models.Q(("tier_mode", ""), _negated=True), ("tiers__isnull", False)),
                            _connector="OR",
                        ),
                        name="metering_unitprice_tiers_check",
                    ),
                    models.UniqueConstraint(fields=("tenant", "price", "fact_key"), name="metering_unitprice_fact_key_key"),
                ],
            },
        ),
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
                    models.UniqueConstraint(fields=("tenant", "transaction_id", "currency"), name="metering_usage_transaction_key"),
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
                "indexes": [
                    models.Index(fields=["tenant", "transaction_id"], name="metering_usagenote_transaction"),
                ],
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
                "constraints": [
                    models.UniqueConstraint(fields=("tenant",), name="metering_usageprogress_tenant_key"),
                ],
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
                (
                    "clock",
                    models.CharField(
                        choices=[("both", "Happened, and was booked"), ("occurred", "Happened"), ("recorded", "Was booked")], max_length=8
                    ),
                ),
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
                    ),
                ],
            },
        ),
    ]
