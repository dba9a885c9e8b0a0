from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("events", "0001_tables")]

    operations = [InstallFunctions("events", version=1, digest="b94df8f82d2e5ad6")]
