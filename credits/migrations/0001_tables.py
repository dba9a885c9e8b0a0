from decimal import Decimal

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.lookups
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
            name="Consumption",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("customer_id", models.CharField(max_length=255)),
                ("currency", models.CharField(blank=True, default="", max_length=3)),
                ("metric_id", models.CharField(blank=True, default="", max_length=255)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("taken", kernel.ledger.money.MoneyField()),
                ("partial", models.BooleanField()),
                ("reason", models.CharField(blank=True, default="", max_length=1000)),
                ("invoice_id", models.CharField(blank=True, default="", max_length=255)),
                ("billing_run_id", models.CharField(blank=True, default="", max_length=255)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField()),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["tenant", "customer_id", "-created_at", "-id"], name="credits_consumption_page_index"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "idempotency_key"), name="credits_consumption_idempotency"),
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="credits_consumption_amount_positive"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("taken__gte", 0),
                            models.Q(
                                ("taken", models.F("amount")),
                                models.Q(("partial", True), ("taken__lt", models.F("amount"))),
                                _connector="OR",
                            ),
                        ),
                        name="credits_consumption_taken_whole_or_partial",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_consumption_amount_finite"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("customer_id", models.CharField(max_length=255)),
                ("currency", models.CharField(blank=True, default="", max_length=3)),
                ("metric_id", models.CharField(blank=True, default="", max_length=255)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("reason", models.CharField(blank=True, default="", max_length=1000)),
                ("expires_at", models.DateTimeField()),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField()),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("captured", "Captured"), ("released", "Released"), ("expired", "Expired")],
                        default="active",
                        max_length=8,
                    ),
                ),
                ("captured", kernel.ledger.money.MoneyField(default=0)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("close_digest", models.BinaryField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["tenant", "customer_id", "-created_at", "-id"], name="credits_hold_page_index"),
                    models.Index(condition=models.Q(("status", "active")), fields=["expires_at"], name="credits_hold_expiry_index"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "idempotency_key"), name="credits_hold_idempotency"),
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="credits_hold_amount_positive"),
                    models.CheckConstraint(
                        condition=models.Q(("captured__gte", 0), ("captured__lte", models.F("amount"))),
                        name="credits_hold_captured_within_amount",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_hold_amount_finite"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecurringGrant",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("customer_id", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=255)),
                ("unit_type", models.CharField(choices=[("CURRENCY", "Currency"), ("METRIC", "Metric")], max_length=8)),
                ("currency", models.CharField(max_length=3)),
                ("metric_id", models.CharField(blank=True, default="", max_length=255)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("cost_of_credit", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("category", models.CharField(choices=[("paid", "Paid"), ("promotional", "Promotional")], default="paid", max_length=11)),
                ("priority", models.PositiveSmallIntegerField(default=50)),
                ("every_months", models.PositiveSmallIntegerField(default=1)),
                ("starts_on", models.DateField()),
                ("ends_on", models.DateField(blank=True, null=True)),
                ("rollover_cap", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField()),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("ended", "Ended"), ("cancelled", "Cancelled")], default="active", max_length=9
                    ),
                ),
                ("next_period", models.PositiveIntegerField(default=0)),
                ("next_on", models.DateField()),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(condition=models.Q(("status", "active")), fields=["next_on"], name="credits_recurring_due_index"),
                    models.Index(fields=["tenant", "-created_at", "-id"], name="credits_recurring_page_index"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "idempotency_key"), name="credits_recurringgrant_idempotency"),
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="credits_recurringgrant_amount_positive"),
                    models.CheckConstraint(condition=models.Q(("priority__lte", 100)), name="credits_recurringgrant_priority_range"),
                    models.CheckConstraint(
                        condition=models.Q(("every_months__gte", 1), ("every_months__lte", 120)), name="credits_recurringgrant_months_range"
                    ),
                    models.CheckConstraint(condition=models.Q(("rollover_cap__gte", 0)), name="credits_recurringgrant_cap_not_negative"),
                    models.CheckConstraint(condition=models.Q(("cost_of_credit__gte", 0)), name="credits_recurringgrant_cost_not_negative"),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_recurringgrant_amount_finite"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("customer_id", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=255)),
                ("unit_type", models.CharField(choices=[("CURRENCY", "Currency"), ("METRIC", "Metric")], max_length=8)),
                ("currency", models.CharField(max_length=3)),
                ("metric_id", models.CharField(blank=True, default="", max_length=255)),
                ("category", models.CharField(choices=[("paid", "Paid"), ("promotional", "Promotional")], default="paid", max_length=11)),
                ("priority", models.PositiveSmallIntegerField(default=50)),
                ("original_amount", kernel.ledger.money.MoneyField()),
                ("cost_of_credit", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("effective_date", models.DateField()),
                ("expiry_date", models.DateField(blank=True, null=True)),
                ("period", models.PositiveIntegerField(blank=True, null=True)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField()),
                ("balance", kernel.ledger.money.MoneyField()),
                ("held", kernel.ledger.money.MoneyField(default=0)),
                ("last_entry_number", models.BigIntegerField()),
                ("last_entry_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "Open"), ("expired", "Expired"), ("voided", "Voided"), ("deleted", "Deleted")],
                        default="open",
                        max_length=7,
                    ),
                ),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "recurring_grant",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="credits.recurringgrant",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["tenant", "-created_at", "-id"], name="credits_grant_page_index"),
                    models.Index(fields=["tenant", "customer_id", "-created_at", "-id"], name="credits_grant_customer_index"),
                    models.Index(
                        condition=models.Q(("request_id__startswith", "run:")),
                        fields=["tenant", "request_id", "id"],
                        name="credits_grant_run",
                    ),
                    models.Index(
                        condition=models.Q(("expiry_date__isnull", False), ("status", "open")),
                        fields=["expiry_date"],
                        name="credits_grant_expiry_index",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "idempotency_key"), name="credits_grant_idempotency"),
                    models.CheckConstraint(
                        condition=models.Q(("original_amount__gt", Decimal("0.0"))), name="credits_grant_amount_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("held__gte", Decimal("0.0")), ("held__lte", models.F("balance"))),
                        name="credits_grant_held_within_balance",
                    ),
                    models.CheckConstraint(condition=models.Q(("priority__lte", 100)), name="credits_grant_priority_range"),
                    models.CheckConstraint(
                        condition=models.Q(("cost_of_credit__gte", Decimal("0.0"))), name="credits_grant_cost_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expiry_date__gte", models.F("effective_date"))), name="credits_grant_dates_in_order"
                    ),
                    models.CheckConstraint(condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="credits_grant_currency_code"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "unit_type",
                                models.Case(models.When(metric_id="", then=models.Value("CURRENCY")), default=models.Value("METRIC")),
                            )
                        ),
                        name="credits_grant_metric_named",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.LessThan(
                                django.db.models.functions.comparison.Greatest("original_amount", "balance"),
                                Decimal("100000000000000000000"),
                            )
                        ),
                        name="credits_grant_amounts_finite",
                    ),
                    models.UniqueConstraint(fields=("tenant", "recurring_grant", "period"), name="credits_grant_period"),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                django.db.models.lookups.IsNull(models.F("recurring_grant"), rhs=True),
                                django.db.models.lookups.IsNull(models.F("period"), rhs=True),
                            )
                        ),
                        name="credits_grant_recurring_with_period",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CreditTransaction",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("customer_id", models.CharField(max_length=255)),
                ("type", models.CharField(choices=[("DEBIT", "Debit"), ("CREDIT", "Credit")], max_length=6)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opening", "Opening"),
                            ("debit", "Debit"),
                            ("credit", "Credit"),
                            ("consumption", "Consumption"),
                            ("capture", "Capture of a hold"),
                            ("reinstatement", "Reinstatement"),
                            ("reversal", "Reversal"),
                            ("rollover", "Rollover"),
                            ("expiry", "Expiry"),
                            ("void", "Void"),
                            ("deletion", "Deletion"),
                        ],
                        max_length=13,
                    ),
                ),
                ("amount", kernel.ledger.money.MoneyField()),
                ("entry_number", models.BigIntegerField()),
                ("balance_after", kernel.ledger.money.MoneyField()),
                ("cost_basis", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("reason", models.CharField(blank=True, default="", max_length=1000)),
                ("invoice_id", models.CharField(blank=True, default="", max_length=255)),
                ("billing_run_id", models.CharField(blank=True, default="", max_length=255)),
                ("chosen_by", models.JSONField(blank=True, null=True)),
                ("idempotency_key", models.CharField(blank=True, max_length=260, null=True)),
                ("facts_digest", models.BinaryField(blank=True, null=True)),
                (
                    "consumption",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transactions",
                        to="credits.consumption",
                    ),
                ),
                (
                    "reverses",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversals",
                        to="credits.credittransaction",
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
                    "grant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transactions",
                        to="credits.grant",
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transactions",
                        to="credits.hold",
                    ),
                ),
            ],
            options={
                "db_table": "credits_transaction",
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["tenant", "-created_at", "-id"], name="credits_txn_page_index"),
                    models.Index(
                        condition=models.Q(("request_id__startswith", "run:")),
                        fields=["tenant", "request_id", "id"],
                        name="credits_transaction_run",
                    ),
                    models.Index(fields=["tenant", "grant", "-created_at", "-id"], name="credits_txn_grant_index"),
                    models.Index(fields=["tenant", "customer_id", "-created_at", "-id"], name="credits_txn_customer_index"),
                    models.Index(
                        condition=models.Q(("invoice_id", ""), _negated=True),
                        fields=["tenant", "invoice_id", "grant"],
                        name="credits_txn_invoice_index",
                    ),
                    models.Index(
                        condition=models.Q(("billing_run_id", ""), _negated=True),
                        fields=["tenant", "billing_run_id", "-created_at", "-id"],
                        name="credits_txn_run_index",
                    ),
                    models.Index(
                        condition=models.Q(("reverses__isnull", False)), fields=["tenant", "reverses"], name="credits_txn_reverses_index"
                    ),
                    models.Index(
                        condition=models.Q(("consumption__isnull", False)),
                        fields=["tenant", "consumption"],
                        name="credits_txn_consumption_index",
                    ),
                    models.Index(condition=models.Q(("hold__isnull", False)), fields=["tenant", "hold"], name="credits_txn_hold_index"),
                    models.Index(
                        condition=models.Q(("occurred_at", models.F("created_at")), _negated=True),
                        fields=["tenant", "grant"],
                        name="credits_txn_two_times_index",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "grant", "entry_number"), name="credits_transaction_numbered"),
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("tenant", "idempotency_key"),
                        name="credits_transaction_idempotency",
                    ),
                    models.CheckConstraint(condition=models.Q(("amount__gt", Decimal("0.0"))), name="credits_transaction_amount_positive"),
                    models.CheckConstraint(
                        condition=models.Q(("balance_after__gte", Decimal("0.0"))), name="credits_transaction_balance_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("type"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{DEBIT,CREDIT}'::text[])",
                            )
                        ),
                        name="credits_transaction_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Case(
                                models.When(kind="opening", then=models.Q(("entry_number", 1), ("type", "CREDIT"))),
                                default=models.Q(("entry_number__gt", 1)),
                                output_field=models.BooleanField(),
                            )
                        ),
                        name="credits_transaction_opening_first",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(
                                django.db.models.lookups.Exact(models.F("kind"), "reversal"),
                                django.db.models.lookups.IsNull(models.F("reverses"), rhs=False),
                            )
                        ),
                        name="credits_transaction_reversal_names_its_own",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.LessThan(
                                django.db.models.functions.comparison.Greatest("amount", "balance_after"), Decimal("100000000000000000000")
                            )
                        ),
                        name="credits_transaction_amounts_finite",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HoldEntry",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                (
                    "kind",
                    models.CharField(
                        choices=[("placed", "Placed"), ("captured", "Captured"), ("released", "Released"), ("expired", "Expired")],
                        max_length=8,
                    ),
                ),
                ("amount", kernel.ledger.money.MoneyField()),
                ("held_after", kernel.ledger.money.MoneyField()),
                ("reason", models.CharField(blank=True, default="", max_length=1000)),
                (
                    "grant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="hold_entries",
                        to="credits.grant",
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="credits.hold",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "verbose_name_plural": "hold entries",
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["tenant", "grant", "-created_at", "-id"], name="credits_holdentry_grant_index"),
                    models.Index(fields=["tenant", "hold"], name="credits_holdentry_hold_index"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="credits_holdentry_amount_positive"),
                    models.CheckConstraint(condition=models.Q(("held_after__gte", 0)), name="credits_holdentry_held_not_negative"),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_holdentry_amount_finite"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HoldLine",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("expires_at", models.DateTimeField()),
                ("chosen_by", models.JSONField()),
                ("remaining", kernel.ledger.money.MoneyField()),
                (
                    "grant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="hold_lines",
                        to="credits.grant",
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="credits.hold",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("remaining__gt", 0)),
                        fields=["tenant", "grant", "expires_at"],
                        name="credits_holdline_open_index",
                    ),
                    models.Index(fields=["tenant", "grant", "expires_at", "created_at"], name="credits_holdline_end_index"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "hold", "grant"), name="credits_holdline_once"),
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="credits_holdline_amount_positive"),
                    models.CheckConstraint(
                        condition=models.Q(("remaining__gte", 0), ("remaining__lte", models.F("amount"))),
                        name="credits_holdline_remaining_within_amount",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_holdline_amount_finite"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BalanceAlert",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("customer_id", models.CharField(max_length=255)),
                ("currency", models.CharField(blank=True, default="", max_length=3)),
                ("metric_id", models.CharField(blank=True, default="", max_length=255)),
                ("alert_below", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("is_low", models.BooleanField(default=False)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_by", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["tenant", "customer_id", "currency", "metric_id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "customer_id", "currency", "metric_id"), name="credits_balancealert_unit_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("currency", ""), models.Q(("metric_id", ""), _negated=True)),
                            models.Q(models.Q(("currency", ""), _negated=True), ("metric_id", "")),
                            _connector="OR",
                        ),
                        name="credits_balancealert_unit_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("alert_below__lt", Decimal("100000000000000000000"))),
                        name="credits_balancealert_alert_below_finite",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Policy",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("expiring_days", models.PositiveSmallIntegerField(default=7)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_by", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                ("longest_hold_seconds", models.PositiveIntegerField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "policies",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant",), name="credits_policy_tenant_key"),
                    models.CheckConstraint(condition=models.Q(("expiring_days__lte", 366)), name="credits_policy_days_check"),
                    models.CheckConstraint(
                        condition=models.Q(("longest_hold_seconds__isnull", True), ("longest_hold_seconds__gte", 1), _connector="OR"),
                        name="credits_policy_longest_hold_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HoldCall",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                (
                    "kind",
                    models.CharField(choices=[("captured", "Captured"), ("extended", "Extended"), ("released", "Released")], max_length=8),
                ),
                ("amount", kernel.ledger.money.MoneyField()),
                ("captured_after", kernel.ledger.money.MoneyField()),
                ("expires_before", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("is_final", models.BooleanField()),
                ("reason", models.CharField(blank=True, default="", max_length=1000)),
                ("invoice_id", models.CharField(blank=True, default="", max_length=255)),
                ("billing_run_id", models.CharField(blank=True, default="", max_length=255)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField()),
                (
                    "hold",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calls",
                        to="credits.hold",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["captured", "extended", "released"])), name="credits_holdcall_kind_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0), ("captured_after__gte", models.F("amount"))),
                        name="credits_holdcall_amount_within",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("is_final", True), models.Q(("kind", "extended"), _negated=True)),
                            models.Q(
                                ("idempotency_key__isnull", False), ("is_final", False), models.Q(("kind", "released"), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="credits_holdcall_key_of_part",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_holdcall_amount_finite"
                    ),
                    models.UniqueConstraint(fields=("tenant", "idempotency_key", "kind"), name="credits_holdcall_idempotency"),
                ],
                "indexes": [
                    models.Index(fields=["tenant", "hold"], name="credits_holdcall_hold_index"),
                ],
            },
        ),
    ]
