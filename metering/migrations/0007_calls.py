from datetime import timedelta

from django.db import migrations, models

from kernel.ledger.migration_operations import AppendOnly

LIMITS = (timedelta(0), timedelta(days=3650))


class Migration(migrations.Migration):
    dependencies = [("metering", "0006_usage"), ("tenants", "0002_roles")]

    operations = [
        migrations.AddField("fact", "call_id", models.CharField(blank=True, max_length=255, null=True)),
        AppendOnly("Fact"),
        migrations.AddField("policy", "backdating_limit", models.DurationField(db_default=timedelta(days=35), default=timedelta(days=35))),
        migrations.AddField(
            "policy", "postdating_limit", models.DurationField(db_default=timedelta(minutes=5), default=timedelta(minutes=5))
        ),
        migrations.AddIndex("transaction", models.Index(fields=["tenant", "occurred_at", "id"], name="metering_transaction_occurred")),
        migrations.AddConstraint(
            "policy",
            models.CheckConstraint(
                condition=models.Q(backdating_limit__range=LIMITS, postdating_limit__range=LIMITS),
                name="metering_policy_time_limits_check",
            ),
        ),
    ]
