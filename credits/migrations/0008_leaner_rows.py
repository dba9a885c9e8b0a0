"""What each posting paid for and nobody used: an index of `id` beside the key, keys of rows without one, a second look for the tenant."""

from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

from kernel.ledger.operations import RowKey


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0007_runs"),
        ("tenants", "0003_roles"),
    ]

    operations = [
        RowKey("CreditTransaction"),
        migrations.RemoveConstraint(
            model_name="consumption",
            name="credits_consumption_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="credittransaction",
            name="credits_transaction_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="credittransaction",
            name="credits_transaction_balance_after_finite",
        ),
        migrations.RemoveConstraint(
            model_name="grant",
            name="credits_grant_original_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="grant",
            name="credits_grant_balance_finite",
        ),
        migrations.RemoveConstraint(
            model_name="hold",
            name="credits_hold_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="holdentry",
            name="credits_holdentry_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="holdline",
            name="credits_holdline_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="recurringgrant",
            name="credits_recurringgrant_amount_finite",
        ),
        migrations.AlterField(
            model_name="credittransaction",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AddConstraint(
            model_name="consumption",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_consumption_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="credittransaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_transaction_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="credittransaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("balance_after__lt", Decimal("100000000000000000000"))), name="credits_transaction_balance_after_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("original_amount__lt", Decimal("100000000000000000000"))), name="credits_grant_original_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("balance__lt", Decimal("100000000000000000000"))), name="credits_grant_balance_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_hold_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="holdentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_holdentry_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="holdline",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_holdline_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="recurringgrant",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="credits_recurringgrant_amount_finite"
            ),
        ),
    ]
