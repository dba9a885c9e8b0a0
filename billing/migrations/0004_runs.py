from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_posting")]

    operations = [
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("request_id__startswith", "run:")),
                fields=["tenant", "request_id", "id"],
                name="billing_transaction_run",
            ),
        ),
    ]
