"""Plans are right from the first row on."""

from django.db import migrations

from kernel.ledger.operations import FirstStatistics

TABLES = ("RecurringGrant", "Grant", "Consumption", "Hold", "HoldLine", "CreditTransaction", "HoldEntry")


class Migration(migrations.Migration):
    dependencies = [("credits", "0009_posting")]

    operations = [FirstStatistics(table) for table in TABLES]
