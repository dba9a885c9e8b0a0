from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0005_amending")]

    operations = [
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("request_id__startswith", "run:")),
                fields=["tenant", "request_id", "id"],
                name="metering_transaction_run",
            ),
        ),
    ]
