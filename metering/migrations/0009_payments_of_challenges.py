from django.db import migrations, models

from kernel.ledger.migration_operations import AppendOnly


class Migration(migrations.Migration):
    dependencies = [("metering", "0008_hourly_sums")]

    operations = [
        migrations.AddField("cost", "payment_id", models.UUIDField(blank=True, null=True)),
        AppendOnly("Cost", may_change=("is_active", "superseded_at", "superseded_by_id")),
    ]
