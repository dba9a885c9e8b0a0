from django.db import migrations

from kernel.ledger.database_functions.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = []

    operations = [InstallFunctions("ledger", version=1, digest="510d9c4a1c482795")]
