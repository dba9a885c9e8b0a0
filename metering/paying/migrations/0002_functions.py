from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("paying", "0001_tables")]

    operations = [InstallFunctions("paying", version=1, digest="69d07043af791c7a")]
