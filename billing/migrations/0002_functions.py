from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_tables")]

    operations = [InstallFunctions("billing", version=1, digest="cd5d9caeb18206be")]
