import django.db.models.deletion
from django.db import migrations, models

import kernel.ledger.money

MEASURES = [
    ("billed", "Billed"),
    ("wallet_adjusted", "Wallets adjusted"),
    ("granted", "Granted"),
    ("consumed", "Consumed"),
    ("credit_adjusted", "Credit adjusted"),
]


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0003_constraints"), ("tenants", "0002_roles")]

    operations = [
        migrations.DeleteModel("CreditDay"),
        # The job sums every day anew.
        migrations.RunSQL("DELETE FROM backoffice_closedday", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="DaySum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("occurred_on", models.DateField()),
                ("unit", models.CharField(max_length=255)),
                ("measure", models.CharField(choices=MEASURES, max_length=16)),
                ("customer_id", models.CharField(blank=True, default="", max_length=255)),
                ("entries", models.BigIntegerField()),
                ("amount", kernel.ledger.money.MoneyField()),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "ordering": ["-day", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "tenant", "unit", "measure", "customer_id", "occurred_on"), name="backoffice_daysum_key"
                    )
                ],
            },
        ),
    ]
