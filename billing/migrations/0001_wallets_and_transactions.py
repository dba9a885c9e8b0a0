from decimal import Decimal

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.db.models.functions.math
from django.db import migrations, models

import kernel.ledger.identifiers
import kernel.ledger.money


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_tenants_and_keys"),
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
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["tenant", "currency"],
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
                ("metadata", models.TextField(blank=True, null=True)),
                (
                    "reason_code",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("duplicate", "Charged twice"),
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
                ("likeness", models.BigIntegerField()),
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
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
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
                        condition=models.Q(("credits__gte", 0), ("debits__gte", 0), ("entries__gte", 1)),
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
                        condition=models.Q(
                            ("default_floor__gt", Decimal("-100000000000000000000")),
                            ("default_floor__lt", Decimal("100000000000000000000")),
                        ),
                        name="billing_policy_default_floor_finite",
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
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.UniqueConstraint(fields=("tenant", "currency"), name="billing_wallet_currency_key"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="billing_wallet_currency_check"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("floor__isnull", True), ("balance__gte", models.F("floor")), _connector="OR"),
                name="billing_wallet_floor_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("last_entry_number__gte", 0),
                    models.Q(
                        models.Q(("last_entry_at__isnull", True), ("last_entry_number", 0)),
                        ("last_entry_at__isnull", False),
                        _connector="OR",
                    ),
                ),
                name="billing_wallet_last_entry_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("balance__gt", Decimal("-100000000000000000000")), ("balance__lt", Decimal("100000000000000000000"))),
                name="billing_wallet_balance_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("floor__gt", Decimal("-100000000000000000000")), ("floor__lt", Decimal("100000000000000000000"))),
                name="billing_wallet_floor_finite",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "created_at", "id"], name="billing_transaction_created"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "type", "created_at", "id"], name="billing_transaction_type"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("agent_id__isnull", False)),
                fields=["tenant", "agent_id", "created_at", "id"],
                name="billing_transaction_agent",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "wallet", "created_at"], name="billing_transaction_booked"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "wallet", "occurred_at"], name="billing_transaction_occurred"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["wallet", "likeness", "occurred_at"], name="billing_transaction_like"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(condition=models.Q(("flags", []), _negated=True), fields=["id"], name="billing_transaction_flagged"),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.UniqueConstraint(fields=("tenant", "reference_id", "type"), name="billing_transaction_reference_key"),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.UniqueConstraint(fields=("tenant", "wallet", "entry_number"), name="billing_transaction_entry_key"),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(condition=models.Q(("entry_number__gte", 1)), name="billing_transaction_entry_number_check"),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("reference_id", ""), _negated=True), name="billing_transaction_reference_check"
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("direction", "signed"), ("amount__gte", 0), _connector="OR"), name="billing_transaction_amount_check"
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "effect",
                        models.Case(
                            models.When(
                                models.Q(("direction", "debit"), ("reverses__isnull", True)),
                                then=django.db.models.expressions.CombinedExpression(models.F("amount"), "*", models.Value(-1)),
                            ),
                            models.When(
                                models.Q(models.Q(("direction", "debit"), _negated=True), ("reverses__isnull", False)),
                                then=django.db.models.expressions.CombinedExpression(models.F("amount"), "*", models.Value(-1)),
                            ),
                            default=models.F("amount"),
                            output_field=kernel.ledger.money.MoneyField(),
                        ),
                    )
                ),
                name="billing_transaction_effect_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("reversed_amount__gte", 0), ("reversed_amount__lte", django.db.models.functions.math.Abs("effect"))),
                name="billing_transaction_reversed_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reversed_by__isnull", True), ("reversed_amount", django.db.models.functions.math.Abs("effect")), _connector="OR"
                ),
                name="billing_transaction_reversed_by_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("near_duplicate_of__isnull", True), ("flags__contains", ["near_duplicate"]), _connector="OR"),
                name="billing_transaction_flags_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reason_code", ""), ("reverses__isnull", True)),
                    models.Q(
                        ("reason_code__in", ["duplicate", "customer_request", "service_failure", "wrong_amount", "fraud", "other"]),
                        ("reverses__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="billing_transaction_reason_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", Decimal("-100000000000000000000")), ("amount__lt", Decimal("100000000000000000000"))),
                name="billing_transaction_amount_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("effect__gt", Decimal("-100000000000000000000")), ("effect__lt", Decimal("100000000000000000000"))),
                name="billing_transaction_effect_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("balance_after__gt", Decimal("-100000000000000000000")), ("balance_after__lt", Decimal("100000000000000000000"))
                ),
                name="billing_transaction_balance_after_finite",
            ),
        ),
    ]
