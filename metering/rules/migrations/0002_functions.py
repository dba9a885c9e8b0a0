from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("rules", "0001_tables")]

    operations = [InstallFunctions("rules", version=1, digest="e44dd7eeba4d41a3")]
