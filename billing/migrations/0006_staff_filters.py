from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_list_filters"),
        ("tenants", "0003_roles"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("direction", "debit"), _negated=True), fields=["id"], name="billing_transaction_no_debit"
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(condition=models.Q(("reversed_amount__gt", 0)), fields=["id"], name="billing_transaction_reversed"),
        ),
    ]
