"""Plans are right from the first row on."""

from django.db import migrations

from kernel.ledger.operations import FirstStatistics

TABLES = ("Policy", "TransactionType", "Wallet", "Transaction", "DailyTotal")


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_leaner_rows")]

    operations = [FirstStatistics(table) for table in TABLES]
