from decimal import Decimal

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models
from django.db.models import Q

import kernel.ledger.identifiers
import kernel.ledger.json_field
import kernel.ledger.money


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("metering", "0001_tables"),
        ("rules", "0001_tables"),
        ("tenants", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Payment",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("round", models.SmallIntegerField()),
                ("kind", models.CharField(choices=[("prepaid", "Prepaid"), ("x402", "X402")], max_length=16)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("authorized", "Authorized"),
                            ("presented", "Presented"),
                            ("captured", "Captured"),
                            ("released", "Released"),
                            ("expired", "Expired"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        max_length=16,
                    ),
                ),
                ("customer_id", models.CharField(max_length=255)),
                ("currency", models.CharField(max_length=3)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("captured", kernel.ledger.money.MoneyField(default=0)),
                ("unpaid", kernel.ledger.money.MoneyField(default=0)),
                ("payer", models.CharField(db_default="ledger", default="ledger", max_length=64)),
                ("is_unconfirmed", models.BooleanField(db_default=False, default=False)),
                ("hold_expires_at", models.DateTimeField()),
                ("reason", models.TextField(blank=True, default="")),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("updated_at", models.DateTimeField()),
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
                        related_name="payments",
                        to="metering.transaction",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["tenant", "created_at", "id"], name="paying_payment_time"),
                    models.Index(
                        condition=models.Q(("status__in", ("authorized", "presented"))),
                        fields=["hold_expires_at"],
                        name="paying_payment_open",
                    ),
                    models.Index(fields=["tenant"], name="paying_payment_unpaid", condition=Q(unpaid__gt=0)),
                    models.Index(condition=models.Q(("is_unconfirmed", True)), fields=["tenant"], name="paying_payment_unconfirmed"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="paying_payment_amount_finite"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("captured__lt", Decimal("100000000000000000000"))), name="paying_payment_captured_finite"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("unpaid__lt", Decimal("100000000000000000000"))), name="paying_payment_unpaid_finite"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0), ("captured__gte", 0), ("unpaid__gte", 0)), name="paying_payment_amount_check"
                    ),
                    models.CheckConstraint(condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="paying_payment_currency_check"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("kind"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{prepaid,x402}'::text[])",
                            )
                        ),
                        name="paying_payment_kind_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("status"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{authorized,presented,captured,released,expired,cancelled,failed}'::text[])",  # noqa: E501
                            )
                        ),
                        name="paying_payment_status_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at__isnull", True), ("unpaid", 0), ("status__in", ("authorized", "presented"))),
                            models.Q(("closed_at__isnull", False), models.Q(("status__in", ("authorized", "presented")), _negated=True)),
                            _connector="OR",
                        ),
                        name="paying_payment_closed_check",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "prepaid")),
                        fields=("tenant", "transaction", "currency"),
                        name="paying_payment_prepaid_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PaymentLeg",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("ordinal", models.SmallIntegerField()),
                ("kind", models.CharField(choices=[("credits", "Credits"), ("wallet", "Wallet")], max_length=16)),
                ("hold_id", models.UUIDField(blank=True, null=True)),
                ("entry_id", models.UUIDField(blank=True, null=True)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("captured", kernel.ledger.money.MoneyField(default=0)),
                ("created_at", models.DateTimeField()),
                (
                    "payment",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="legs",
                        to="paying.payment",
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
            ],
            options={
                "ordering": ["payment", "ordinal"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="paying_paymentleg_amount_finite"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("captured__lt", Decimal("100000000000000000000"))), name="paying_paymentleg_captured_finite"
                    ),
                    models.UniqueConstraint(fields=("tenant", "payment", "ordinal"), name="paying_paymentleg_ordinal_key"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("kind"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{credits,wallet}'::text[])",
                            )
                        ),
                        name="paying_paymentleg_kind_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("amount__gt", 0),
                                ("captured__gte", 0),
                                ("captured__lte", models.F("amount")),
                                ("entry_id__isnull", True),
                                ("hold_id__isnull", False),
                            ),
                            models.Q(("amount", 0), ("captured__gt", 0), ("entry_id__isnull", False), ("hold_id__isnull", True)),
                            _connector="OR",
                        ),
                        name="paying_paymentleg_amount_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PaymentCall",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                (
                    "kind",
                    models.CharField(choices=[("captured", "Captured"), ("extended", "Extended"), ("released", "Released")], max_length=16),
                ),
                ("amount", kernel.ledger.money.MoneyField()),
                ("captured_after", kernel.ledger.money.MoneyField()),
                ("expires_before", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("is_final", models.BooleanField()),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("facts_digest", models.BinaryField()),
                (
                    "payment",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calls",
                        to="paying.payment",
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
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="paying_paymentcall_amount_finite"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0), ("captured_after__gte", models.F("amount"))),
                        name="paying_paymentcall_amount_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("kind"),
                                output_field=models.BooleanField(),
                                template="%(expressions)s = ANY ('{captured,extended,released}'::text[])",
                            )
                        ),
                        name="paying_paymentcall_kind_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("is_final", True), models.Q(("kind", "extended"), _negated=True)),
                            models.Q(
                                ("idempotency_key__isnull", False), ("is_final", False), models.Q(("kind", "released"), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="paying_paymentcall_key_check",
                    ),
                    models.UniqueConstraint(fields=("tenant", "idempotency_key", "kind"), name="paying_paymentcall_idempotency_key_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Collection",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("payee_tenant_id", models.UUIDField()),
                ("pay_to", models.CharField(max_length=255)),
                ("currency", models.CharField(max_length=3)),
                ("amount", kernel.ledger.money.MoneyField()),
                ("created_at", models.DateTimeField()),
                ("posted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "payment",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="collections",
                        to="paying.payment",
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
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["payee_tenant_id", "created_at", "id"], name="paying_collection_payee"),
                    models.Index(condition=models.Q(("posted_at__isnull", True)), fields=["created_at"], name="paying_collection_due"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="paying_collection_amount_finite"
                    ),
                    models.UniqueConstraint(fields=("tenant", "payment"), name="paying_collection_payment_key"),
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="paying_collection_amount_check"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Payee",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("pay_to", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["pay_to"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "pay_to"), name="paying_payee_pay_to_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PayerSetting",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("payer", models.CharField(max_length=64)),
                ("is_enabled", models.BooleanField()),
                ("max_amount", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("max_currency", models.CharField(blank=True, default="", max_length=3)),
                ("networks", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=255), size=None)),
                ("pay_to", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=255), size=None)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("actor", models.CharField(max_length=128)),
                (
                    "tenant",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
                ),
            ],
            options={
                "ordering": ["payer"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("max_amount__lt", Decimal("100000000000000000000"))),
                        name="paying_payersetting_max_amount_finite",
                    ),
                    models.UniqueConstraint(fields=("tenant", "payer"), name="paying_payersetting_payer_key"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("max_amount__isnull", True), ("max_currency", "")),
                            models.Q(("max_amount__gt", 0), ("max_currency__regex", "^[A-Z]{3}$")),
                            _connector="OR",
                        ),
                        name="paying_payersetting_max_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("payer", "ledger"),
                            ("is_enabled", False),
                            ("max_amount__isnull", False),
                            models.Q(("pay_to", []), _negated=True),
                            _connector="OR",
                        ),
                        name="paying_payersetting_limited_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PaymentToken",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("authorization_id", models.UUIDField()),
                ("network", models.CharField(max_length=255)),
                ("scheme", models.CharField(max_length=16)),
                ("pay_to", models.CharField(max_length=255)),
                ("challenge", kernel.ledger.json_field.DocumentField()),
                ("key_id", models.CharField(max_length=64)),
                ("nonce_digest", models.BinaryField()),
                ("expires_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("presented_at", models.DateTimeField(blank=True, null=True)),
                ("settlement_id", models.UUIDField(blank=True, null=True)),
                ("settled_amount", kernel.ledger.money.MoneyField(blank=True, null=True)),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("receipt", models.CharField(blank=True, db_default="", default="", max_length=255)),
                (
                    "payment",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tokens",
                        to="paying.payment",
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
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("settled_amount__lt", Decimal("100000000000000000000"))),
                        name="paying_paymenttoken_settled_amount_finite",
                    ),
                    models.UniqueConstraint(fields=("tenant", "payment"), name="paying_paymenttoken_payment_key"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("settled_amount__isnull", True), ("settled_at__isnull", True), ("settlement_id__isnull", True)),
                            models.Q(("settled_amount__gte", 0), ("settled_at__isnull", False), ("settlement_id__isnull", False)),
                            _connector="OR",
                        ),
                        name="paying_paymenttoken_settled_check",
                    ),
                ],
            },
        ),
    ]
