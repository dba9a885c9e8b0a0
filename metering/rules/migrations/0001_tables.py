from decimal import Decimal

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ledger.identifiers
import kernel.ledger.json_field
import kernel.ledger.money


class Migration(migrations.Migration):
    initial = True

    dependencies = [("metering", "0001_tables"), ("tenants", "0001_tables")]

    operations = [
        migrations.CreateModel(
            name="AuthorizationRequest",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("round", models.SmallIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[("preparing", "Preparing"), ("authorized", "Authorized"), ("denied", "Denied")], max_length=16
                    ),
                ),
                ("decline_reason", models.TextField(blank=True, null=True)),
                ("executions", kernel.ledger.json_field.DocumentField()),
                ("rule_ids", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), blank=True, default=list, size=None)),
                ("passes_at", models.DateTimeField(blank=True, null=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("updated_at", models.DateTimeField()),
                ("payment", kernel.ledger.json_field.DocumentField(null=True)),
                ("payment_amount", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("payment_currency", models.CharField(blank=True, max_length=3, null=True)),
                ("challenge_digest", models.BinaryField(null=True)),
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
                        related_name="authorization_requests",
                        to="metering.transaction",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(fields=["rule_ids"], name="rules_request_rules"),
                    models.Index(
                        condition=models.Q(("status", "preparing")), fields=["tenant", "created_at", "id"], name="rules_request_waiting"
                    ),
                    models.Index(fields=["tenant", "created_at", "id"], name="rules_request_time"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "transaction", "round"), name="rules_authorizationrequest_round_key"),
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("tenant", "idempotency_key"),
                        name="rules_authorizationrequest_idempotency_key_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("payment_amount__lt", Decimal("100000000000000000000"))),
                        name="rules_authorizationrequest_payment_amount_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["preparing", "authorized", "denied"])),
                        name="rules_authorizationrequest_status_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RuleCounter",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("group_key", models.TextField()),
                ("group_digest", models.BinaryField()),
                ("used", models.DecimalField(decimal_places=18, default=0, max_digits=60)),
                ("tail_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
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
            name="RuleCounterEntry",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("amount", models.DecimalField(decimal_places=18, max_digits=60)),
                (
                    "counter",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rules.rulecounter",
                    ),
                ),
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
                        related_name="+",
                        to="metering.transaction",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["tenant", "counter", "at", "id"], name="rules_rulecounterentry_time"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "transaction", "counter"), name="rules_rulecounterentry_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="RuleMeasure",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("key_digest", models.BinaryField()),
                (
                    "measurement_type",
                    models.CharField(
                        choices=[
                            ("count_transactions", "Count Transactions"),
                            ("sum_payment_amount", "Sum Payment Amount"),
                            ("this_payment_amount", "This Payment Amount"),
                            ("sum_transaction_costs", "Sum Transaction Costs"),
                            ("this_transaction_cost", "This Transaction Cost"),
                        ],
                        max_length=32,
                    ),
                ),
                ("interval_value", models.PositiveIntegerField()),
                (
                    "interval_unit",
                    models.CharField(
                        choices=[
                            ("seconds", "Seconds"),
                            ("minutes", "Minutes"),
                            ("hours", "Hours"),
                            ("days", "Days"),
                            ("weeks", "Weeks"),
                            ("months", "Months"),
                        ],
                        max_length=16,
                    ),
                ),
                ("is_rolling", models.BooleanField()),
                ("time_zone", models.CharField(max_length=64)),
                ("currency", models.CharField(max_length=3)),
                (
                    "group_by",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), blank=True, default=list, size=None
                    ),
                ),
                ("scope", models.CharField(choices=[("all", "All"), ("rule", "Rule")], max_length=8)),
                ("include_estimates", models.BooleanField()),
                ("conditions", kernel.ledger.json_field.DocumentField()),
                (
                    "agent_ids",
                    django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), blank=True, default=list, size=None),
                ),
                ("is_counting", models.BooleanField(default=True)),
                ("is_seeding", models.BooleanField(default=False)),
                ("seeded_down_to", models.DateTimeField(blank=True, null=True)),
                ("retire_at", models.DateTimeField(blank=True, null=True)),
                ("groups", models.IntegerField(default=0)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "key_digest"), name="rules_rulemeasure_key"),
                ],
            },
        ),
        migrations.AddField(
            model_name="rulecounter",
            name="measure",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="rules.rulemeasure"
            ),
        ),
        migrations.CreateModel(
            name="SpendingRule",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("numeric_id", models.PositiveIntegerField()),
                ("name", models.CharField(max_length=255)),
                (
                    "rule_type",
                    models.CharField(
                        choices=[
                            ("usage_limit", "Usage limit"),
                            ("payment_authorization", "Payment authorization"),
                            ("allowlist", "Allowlist"),
                            ("blocklist", "Blocklist"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "resolution_strategy",
                    models.CharField(choices=[("automatic", "Automatic"), ("manual", "Manual")], default="automatic", max_length=16),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("paused", "Paused"), ("archived", "Archived")], default="active", max_length=16
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("metadata", kernel.ledger.json_field.DocumentField(null=True)),
                (
                    "notify_at",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DecimalField(decimal_places=6, max_digits=12), blank=True, null=True, size=None
                    ),
                ),
                ("is_seeding", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                ("actor", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "numeric_id"), name="rules_spendingrule_numeric_id_key"),
                    models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="rules_spendingrule_name_check"),
                    models.CheckConstraint(
                        condition=models.Q(("rule_type__in", ["usage_limit", "payment_authorization", "allowlist", "blocklist"])),
                        name="rules_spendingrule_rule_type_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("resolution_strategy__in", ["automatic", "manual"])),
                        name="rules_spendingrule_resolution_strategy_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("deleted_at__isnull", True), ("paused_at__isnull", True), ("status", "active")),
                            models.Q(("deleted_at__isnull", True), ("paused_at__isnull", False), ("status", "paused")),
                            models.Q(("deleted_at__isnull", False), ("paused_at__isnull", False), ("status", "archived")),
                            _connector="OR",
                        ),
                        name="rules_spendingrule_status_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RuleVersion",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("version", models.PositiveIntegerField()),
                (
                    "change",
                    models.CharField(
                        choices=[("created", "Created"), ("updated", "Updated"), ("archived", "Archived"), ("restored", "Restored")],
                        max_length=16,
                    ),
                ),
                ("definition", kernel.ledger.json_field.DocumentField()),
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
                    "rule",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="rules.spendingrule",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "rule", "version"), name="rules_ruleversion_version_key"),
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("tenant", "idempotency_key"),
                        name="rules_ruleversion_idempotency_key_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("change__in", ["created", "updated", "archived", "restored"])),
                        name="rules_ruleversion_change_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RuleParameter",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("parameter_name", models.CharField(blank=True, max_length=255, null=True)),
                ("limit_value", kernel.ledger.money.MoneyField()),
                (
                    "measurement_type",
                    models.CharField(
                        choices=[
                            ("count_transactions", "Count Transactions"),
                            ("sum_payment_amount", "Sum Payment Amount"),
                            ("this_payment_amount", "This Payment Amount"),
                            ("sum_transaction_costs", "Sum Transaction Costs"),
                            ("this_transaction_cost", "This Transaction Cost"),
                        ],
                        max_length=32,
                    ),
                ),
                ("interval_value", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "interval_unit",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("seconds", "Seconds"),
                            ("minutes", "Minutes"),
                            ("hours", "Hours"),
                            ("days", "Days"),
                            ("weeks", "Weeks"),
                            ("months", "Months"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                ("is_rolling", models.BooleanField(default=True)),
                (
                    "group_by",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), blank=True, default=list, size=None
                    ),
                ),
                ("measurement_scope", models.CharField(choices=[("all", "All"), ("rule", "Rule")], default="all", max_length=8)),
                ("include_estimates", models.BooleanField(default=True)),
                ("currency", models.CharField(max_length=3)),
                ("time_zone", models.CharField(max_length=64)),
                ("description", models.TextField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "measure",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rules.rulemeasure",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="parameter_rows",
                        to="rules.spendingrule",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("removed_at__isnull", True)), fields=["tenant", "rule"], name="rules_ruleparameter_current"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("limit_value__lt", Decimal("100000000000000000000"))),
                        name="rules_ruleparameter_limit_value_finite",
                    ),
                    models.CheckConstraint(condition=models.Q(("limit_value__gte", 0)), name="rules_ruleparameter_limit_value_check"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "measurement_type__in",
                                [
                                    "count_transactions",
                                    "sum_payment_amount",
                                    "this_payment_amount",
                                    "sum_transaction_costs",
                                    "this_transaction_cost",
                                ],
                            )
                        ),
                        name="rules_ruleparameter_measurement_type_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("interval_unit__isnull", True),
                                ("interval_value__isnull", True),
                                ("measurement_type__in", ["this_payment_amount", "this_transaction_cost"]),
                            ),
                            models.Q(
                                ("interval_unit__in", ["seconds", "minutes", "hours", "days", "weeks", "months"]),
                                ("interval_value__gte", 1),
                                ("measurement_type__in", ["count_transactions", "sum_payment_amount", "sum_transaction_costs"]),
                            ),
                            _connector="OR",
                        ),
                        name="rules_ruleparameter_interval_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("measurement_scope__in", ["all", "rule"])), name="rules_ruleparameter_measurement_scope_check"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="rules_ruleparameter_currency_check"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RuleExecution",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("rule_version", models.PositiveIntegerField()),
                ("reason", models.TextField()),
                ("created_at", models.DateTimeField()),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rules.authorizationrequest",
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
                    "transaction",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metering.transaction",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="execution_rows",
                        to="rules.spendingrule",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["tenant", "rule", "created_at", "id"], name="rules_ruleexecution_time"),
                ],
            },
        ),
        migrations.CreateModel(
            name="RuleCondition",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "field_type",
                    models.CharField(
                        choices=[
                            ("service", "Service"),
                            ("action", "Action"),
                            ("resource", "Resource"),
                            ("qualifier", "Qualifier"),
                            ("transaction_property", "Transaction Property"),
                            ("payment_property", "Payment Property"),
                        ],
                        max_length=32,
                    ),
                ),
                ("field_name", models.CharField(blank=True, max_length=255, null=True)),
                (
                    "operator",
                    models.CharField(
                        choices=[
                            ("equals", "Equals"),
                            ("not_equals", "Not Equals"),
                            ("contains", "Contains"),
                            ("not_contains", "Not Contains"),
                            ("greater_than", "Greater Than"),
                            ("less_than", "Less Than"),
                        ],
                        max_length=16,
                    ),
                ),
                ("value", models.CharField(max_length=2048)),
                ("condition_group", models.CharField(default="primary", max_length=64)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="condition_rows",
                        to="rules.spendingrule",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("removed_at__isnull", True)), fields=["tenant", "rule"], name="rules_rulecondition_current"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("field_name__isnull", True), ("field_type__in", ["service", "action", "resource"])),
                            models.Q(
                                ("field_name__isnull", False), ("field_type__in", ["qualifier", "transaction_property", "payment_property"])
                            ),
                            _connector="OR",
                        ),
                        name="rules_rulecondition_field_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("operator__in", ["equals", "not_equals", "contains", "not_contains", "greater_than", "less_than"])
                        ),
                        name="rules_rulecondition_operator_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AgentRule",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "agent",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
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
                    "rule",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="agent_rows",
                        to="rules.spendingrule",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("removed_at__isnull", True)), fields=["tenant", "agent"], name="rules_agentrule_agent"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at__isnull", True)),
                        fields=("tenant", "rule", "agent"),
                        name="rules_agentrule_agent_key",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="rulecounter",
            constraint=models.UniqueConstraint(fields=("tenant", "measure", "group_digest"), name="rules_rulecounter_group_key"),
        ),
    ]
