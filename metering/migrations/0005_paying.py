from django.db import migrations, models

from kernel.ledger.migration_operations import AppendOnly

STATUS_COLUMNS = (
    "status",
    "round",
    "outcome",
    "decline_reason",
    "updated_at",
    "preparing_at",
    "authorized_at",
    "denied_at",
    "cancelled_at",
    "completed_at",
    "requires_payment",
)


class Migration(migrations.Migration):
    dependencies = [("metering", "0003_constraints")]

    operations = [
        migrations.AddField("Policy", "is_prepaid", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("Policy", "payer_customer_id", models.CharField(max_length=255, null=True, blank=True)),
        migrations.AddField("Policy", "allows_overdraft", models.BooleanField(default=False, db_default=False)),
        # A transaction that waited for a decision is paid when it is authorized.
        AppendOnly("Transaction", may_change=STATUS_COLUMNS),
    ]
