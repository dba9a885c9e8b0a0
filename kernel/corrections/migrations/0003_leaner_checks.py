"""NaN is kept out by an upper bound alone; the infinities have no place in numeric(38,18) itself."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("corrections", "0002_laws"),
        ("tenants", "0003_roles"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="correctionentry",
            name="corrections_entry_effect_finite",
        ),
        migrations.RemoveConstraint(
            model_name="correctionthreshold",
            name="corrections_threshold_amount_finite",
        ),
        migrations.AddConstraint(
            model_name="correctionentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("effect__lt", Decimal("100000000000000000000"))), name="corrections_entry_effect_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="correctionthreshold",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="corrections_threshold_amount_finite"
            ),
        ),
    ]
