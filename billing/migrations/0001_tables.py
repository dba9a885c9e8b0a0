from decimal import Decimal

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.math
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
            name="Wallet",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("currency", models.CharField(max_length=3)),
                ("balance", kernel.ledger.money.MoneyField(default=0)),
                ("last_entry_number", models.BigIntegerField(default=0)),
                ("last_entry_at", models.DateTimeField(blank=True, null=True)),
                ("floor", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("alert_below", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("refusal_reported_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                ("held", kernel.ledger.money.MoneyField(db_default=0, default=0)),
            ],
            options={
                "ordering": ["tenant", "currency"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "currency"), name="billing_wallet_currency_key"),
                    models.CheckConstraint(condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="billing_wallet_currency_check"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("last_entry_number__gte", 0),
                            models.Q(("last_entry_at__isnull", False), ("last_entry_number", 0), _connector="OR"),
                        ),
                        name="billing_wallet_last_entry_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("balance__gte", django.db.models.expressions.CombinedExpression(models.F("floor"), "+", models.F("held")))
                        ),
                        name="billing_wallet_floor_check",
                    ),
                    models.CheckConstraint(condition=models.Q(("held__gte", Decimal("0.0"))), name="billing_wallet_held_check"),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.LessThan(
                                django.db.models.functions.comparison.Greatest("balance", "held", "floor", "alert_below"),
                                Decimal("100000000000000000000"),
                            )
                        ),
                        name="billing_wallet_amounts_finite",
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
                ("currency", models.CharField(max_length=3)),
                ("entry_number", models.BigIntegerField()),
                ("type", models.CharField(max_length=128)),
                ("direction", models.CharField(choices=[("credit", "Credit"), ("debit", "Debit"), ("signed", "Signed")], max_length=6)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("effect", kernel.ledger.money.MoneyField()),
                ("balance_after", kernel.ledger.money.MoneyField()),
                ("reference_id", models.CharField(max_length=500)),
                ("agent_id", models.CharField(blank=True, max_length=500, null=True)),
                ("description", models.TextField(blank=True, null=True)),
                ("metadata", kernel.ledger.json_field.DocumentField(blank=True, null=True)),
                (
                    "reason_code",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("duplicate", "Recorded twice"),
                            ("customer_request", "Asked for by the customer"),
                            ("service_failure", "The service was not delivered"),
                            ("wrong_amount", "Wrong amount"),
                            ("fraud", "Fraud"),
                            ("other", "Other"),
                        ],
                        default="",
                        max_length=32,
                    ),
                ),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                ("reversed_amount", kernel.ledger.money.MoneyField(default=0)),
                (
                    "flags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(choices=[("near_duplicate", "Near-duplicate")], max_length=32),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("duplicate_bucket", models.BigIntegerField()),
                ("facts_digest", models.BinaryField(max_length=128)),
                (
                    "near_duplicate_of",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.transaction",
                    ),
                ),
                (
                    "reversed_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.transaction",
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
                        related_name="+",
                        to="billing.transaction",
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
                    "wallet",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.wallet",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["tenant", "created_at", "id"], name="billing_transaction_created"),
                    models.Index(fields=["tenant", "type", "created_at", "id"], name="billing_transaction_type"),
                    models.Index(
                        condition=models.Q(("agent_id__isnull", False)),
                        fields=["tenant", "agent_id", "created_at", "id"],
                        name="billing_transaction_agent",
                    ),
                    models.Index(fields=["tenant", "wallet", "created_at"], name="billing_transaction_booked"),
                    models.Index(fields=["tenant", "occurred_at", "id"], name="billing_transaction_happened"),
                    models.Index(fields=["tenant", "amount"], name="billing_transaction_amount"),
                    models.Index(fields=["wallet", "duplicate_bucket", "occurred_at"], name="billing_transaction_like"),
                    models.Index(condition=models.Q(("flags", []), _negated=True), fields=["id"], name="billing_transaction_flagged"),
                    models.Index(
                        condition=models.Q(("direction", "debit"), _negated=True), fields=["id"], name="billing_transaction_no_debit"
                    ),
                    models.Index(condition=models.Q(("reversed_amount__gt", 0)), fields=["id"], name="billing_transaction_reversed"),
                    models.Index(
                        condition=models.Q(("request_id__startswith", "run:")),
                        fields=["tenant", "request_id", "id"],
                        name="billing_transaction_run",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "reference_id", "type"), name="billing_transaction_reference_key"),
                    models.UniqueConstraint(fields=("tenant", "wallet", "entry_number"), name="billing_transaction_entry_key"),
                    models.CheckConstraint(condition=models.Q(("entry_number__gte", 1)), name="billing_transaction_entry_number_check"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("reference_id"),
                                models.Value(""),
                                arg_joiner=" <> ",
                                output_field=models.BooleanField(),
                                template="%(expressions)s",
                            )
                        ),
                        name="billing_transaction_reference_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("direction", "signed"), ("amount__gte", Decimal("0.0")), _connector="OR"),
                        name="billing_transaction_amount_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "effect",
                                models.Case(
                                    models.When(
                                        django.db.models.lookups.Exact(
                                            django.db.models.lookups.Exact(models.F("direction"), "debit"),
                                            django.db.models.lookups.IsNull(models.F("reverses"), rhs=True),
                                        ),
                                        then=django.db.models.expressions.CombinedExpression(
                                            models.Value(Decimal("0.0")), "-", models.F("amount")
                                        ),
                                    ),
                                    default=models.F("amount"),
                                    output_field=kernel.ledger.money.MoneyField(),
                                ),
                            )
                        ),
                        name="billing_transaction_effect_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("reversed_amount__gte", Decimal("0.0")),
                            ("reversed_amount__lte", django.db.models.functions.math.Abs("effect")),
                        ),
                        name="billing_transaction_reversed_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("reversed_by__isnull", True),
                            ("reversed_amount", django.db.models.functions.math.Abs("effect")),
                            _connector="OR",
                        ),
                        name="billing_transaction_reversed_by_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("near_duplicate_of__isnull", True),
                            models.Func(
                                models.Value("near_duplicate"),
                                models.F("flags"),
                                arg_joiner=" = ANY (",
                                output_field=models.BooleanField(),
                                template="%(expressions)s)",
                            ),
                            _connector="OR",
                        ),
                        name="billing_transaction_flags_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("reason_code"),
                                django.db.models.lookups.IsNull(models.F("reverses"), rhs=True),
                                arg_joiner=" = ANY (CASE WHEN ",
                                output_field=models.BooleanField(),
                                template=(
                                    "%(expressions)s THEN '{\"\"}'::text[] "
                                    "ELSE '{duplicate,customer_request,service_failure,wrong_amount,fraud,other}'::text[] END)"
                                ),
                            )
                        ),
                        name="billing_transaction_reason_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.LessThan(
                                django.db.models.functions.comparison.Greatest("amount", "balance_after"), Decimal("100000000000000000000")
                            )
                        ),
                        name="billing_transaction_amounts_finite",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DailyTotal",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("currency", models.CharField(max_length=3)),
                ("type", models.CharField(max_length=128)),
                ("day", models.DateField()),
                ("entries", models.BigIntegerField(default=0)),
                ("credits", models.DecimalField(decimal_places=18, default=0, max_digits=48)),
                ("debits", models.DecimalField(decimal_places=18, default=0, max_digits=48)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["-day", "currency", "type"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "currency", "day", "type"), name="billing_dailytotal_day_key"),
                    models.CheckConstraint(
                        condition=models.Q(("credits__gte", Decimal("0.0")), ("debits__gte", Decimal("0.0")), ("entries__gte", 1)),
                        name="billing_dailytotal_magnitude_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Policy",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("strict_types", models.BooleanField(default=False)),
                ("near_duplicate_seconds", models.PositiveIntegerField(default=60)),
                ("default_floor", kernel.ledger.money.MoneyField(blank=True, null=True)),
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
                    models.UniqueConstraint(fields=("tenant",), name="billing_policy_tenant_key"),
                    models.CheckConstraint(
                        condition=models.Q(("default_floor__isnull", True), ("default_floor__lte", 0), _connector="OR"),
                        name="billing_policy_default_floor_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("default_floor__lt", Decimal("100000000000000000000"))),
                        name="billing_policy_default_floor_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("longest_hold_seconds__isnull", True), ("longest_hold_seconds__gte", 1), _connector="OR"),
                        name="billing_policy_longest_hold_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TransactionType",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("code", models.CharField(max_length=128)),
                ("label", models.CharField(max_length=200)),
                ("direction", models.CharField(choices=[("credit", "Credit"), ("debit", "Debit"), ("signed", "Signed")], max_length=6)),
                ("is_catalogued", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("created_by", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["tenant", "code"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "code"), name="billing_transactiontype_code_key"),
                    models.UniqueConstraint(fields=("tenant", "code", "direction"), name="billing_transactiontype_direction_key"),
                    models.CheckConstraint(
                        condition=models.Q(("direction__in", ["credit", "debit", "signed"])), name="billing_transactiontype_direction_check"
                    ),
                    models.CheckConstraint(condition=models.Q(("code", ""), _negated=True), name="billing_transactiontype_code_check"),
                    models.CheckConstraint(
                        condition=models.Q(("is_catalogued", True), ("direction", "signed"), _connector="OR"),
                        name="billing_transactiontype_uncatalogued_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WalletHold",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("currency", models.CharField(max_length=3)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("captured", kernel.ledger.money.MoneyField(default=0)),
                ("reference_id", models.CharField(max_length=500)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                ("allow_overdraft", models.BooleanField(default=False)),
                ("expires_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("captured", "Captured"), ("released", "Released"), ("expired", "Expired")],
                        default="active",
                        max_length=8,
                    ),
                ),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("facts_digest", models.BinaryField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holds",
                        to="billing.wallet",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(condition=models.Q(("status", "active")), fields=["expires_at"], name="billing_wallethold_expiry"),
                    models.Index(fields=["tenant", "created_at", "id"], name="billing_wallethold_created"),
                    models.Index(
                        condition=models.Q(("status", "active")), fields=["tenant", "wallet", "expires_at"], name="billing_wallethold_open"
                    ),
                    models.Index(fields=["tenant", "wallet", "expires_at", "created_at"], name="billing_wallethold_end"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reference_id", ""), _negated=True), name="billing_wallethold_reference_check"
                    ),
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="billing_wallethold_amount_check"),
                    models.CheckConstraint(
                        condition=models.Q(("captured__gte", 0), ("captured__lte", models.F("amount"))),
                        name="billing_wallethold_captured_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["active", "captured", "released", "expired"])),
                        name="billing_wallethold_status_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at__isnull", True), ("status", "active")),
                            models.Q(models.Q(("status", "active"), _negated=True), ("closed_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="billing_wallethold_closed_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="billing_wallethold_amount_finite"
                    ),
                    models.UniqueConstraint(fields=("tenant", "reference_id"), name="billing_wallethold_reference_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="WalletHoldEntry",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("placed", "Placed"),
                            ("captured", "Captured"),
                            ("extended", "Extended"),
                            ("released", "Released"),
                            ("expired", "Expired"),
                        ],
                        max_length=8,
                    ),
                ),
                ("amount", kernel.ledger.money.MoneyField()),
                ("held_after", kernel.ledger.money.MoneyField()),
                ("captured_after", kernel.ledger.money.MoneyField()),
                ("expires_at", models.DateTimeField()),
                ("is_final", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                ("reference_id", models.CharField(blank=True, max_length=500, null=True)),
                ("facts_digest", models.BinaryField(blank=True, max_length=128, null=True)),
                (
                    "hold",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="billing.wallethold",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.transaction",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.wallet",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "wallet hold entries",
                "ordering": ["-created_at", "-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["placed", "captured", "extended", "released", "expired"])),
                        name="billing_walletholdentry_kind_check",
                    ),
                    models.CheckConstraint(condition=models.Q(("amount__gte", 0)), name="billing_walletholdentry_amount_check"),
                    models.CheckConstraint(condition=models.Q(("held_after__gte", 0)), name="billing_walletholdentry_held_check"),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="billing_walletholdentry_amount_finite"
                    ),
                    models.UniqueConstraint(fields=("tenant", "reference_id", "kind"), name="billing_walletholdentry_reference_key"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("amount", 0), ("kind", "captured"), ("transaction__isnull", True)),
                            models.Q(("amount__gt", 0), ("kind", "captured"), ("transaction__isnull", False)),
                            models.Q(models.Q(("kind", "captured"), _negated=True), ("transaction__isnull", True)),
                            _connector="OR",
                        ),
                        name="billing_walletholdentry_debit_check",
                    ),
                ],
                "indexes": [
                    models.Index(fields=["tenant", "wallet", "created_at", "id"], name="billing_holdentry_wallet"),
                    models.Index(fields=["tenant", "hold"], name="billing_holdentry_hold"),
                    models.Index(
                        condition=models.Q(("transaction__isnull", False)), fields=["tenant", "transaction"], name="billing_holdentry_debit"
                    ),
                ],
            },
        ),
    ]
