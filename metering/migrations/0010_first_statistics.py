"""Plans are right from the first row on."""

from django.db import migrations

from kernel.ledger.operations import FirstStatistics

TABLES = ("Policy", "Service", "Agent", "Trace", "Transaction", "Fact", "Cost", "StatusChange", "Price", "UnitPrice", "Rollup")


class Migration(migrations.Migration):
    dependencies = [("metering", "0009_posting")]

    operations = [FirstStatistics(table) for table in TABLES]
