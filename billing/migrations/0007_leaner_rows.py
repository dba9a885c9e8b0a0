"""What each posting paid for and nobody used: an index of `id` beside the key, keys of rows without one, a second look for the tenant."""

from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

from kernel.ledger.operations import RowKey


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_staff_filters"),
        ("tenants", "0003_roles"),
    ]

    operations = [
        RowKey("Transaction"),
        migrations.RemoveConstraint(
            model_name="policy",
            name="billing_policy_default_floor_finite",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="billing_transaction_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="billing_transaction_effect_finite",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="billing_transaction_balance_after_finite",
        ),
        migrations.RemoveConstraint(
            model_name="wallet",
            name="billing_wallet_balance_finite",
        ),
        migrations.RemoveConstraint(
            model_name="wallet",
            name="billing_wallet_floor_finite",
        ),
        migrations.AlterField(
            model_name="transaction",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=models.CheckConstraint(
                condition=models.Q(("default_floor__lt", Decimal("100000000000000000000"))), name="billing_policy_default_floor_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="billing_transaction_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("effect__lt", Decimal("100000000000000000000"))), name="billing_transaction_effect_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("balance_after__lt", Decimal("100000000000000000000"))), name="billing_transaction_balance_after_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("balance__lt", Decimal("100000000000000000000"))), name="billing_wallet_balance_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("floor__lt", Decimal("100000000000000000000"))), name="billing_wallet_floor_finite"
            ),
        ),
    ]
