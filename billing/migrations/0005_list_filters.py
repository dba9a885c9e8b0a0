from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0004_runs"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="transaction",
            name="billing_transaction_occurred",
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "occurred_at", "id"], name="billing_transaction_happened"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["tenant", "amount"], name="billing_transaction_amount"),
        ),
    ]
