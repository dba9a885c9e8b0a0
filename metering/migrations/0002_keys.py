from django.db import migrations

from kernel.ledger.operations import TenantForeignKey, TenantKey

TABLES = ("Policy", "Service", "Agent", "Trace", "Transaction", "Fact", "Cost", "StatusChange", "Price", "UnitPrice", "Rollup")


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_the_book"), ("ledger", "0001_append_only")]

    operations = [
        *(TenantKey(table) for table in TABLES),
        TenantForeignKey("Transaction", "service"),
        TenantForeignKey("Transaction", "agent"),
        TenantForeignKey("Transaction", "trace"),
        TenantForeignKey("Fact", "transaction", index=True),
        TenantForeignKey("Cost", "transaction"),
        TenantForeignKey("Cost", "inferred_from"),
        TenantForeignKey("StatusChange", "transaction"),
        TenantForeignKey("UnitPrice", "price"),
        TenantForeignKey("Rollup", "service"),
        TenantForeignKey("Rollup", "agent"),
    ]
