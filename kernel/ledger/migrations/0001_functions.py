from django.db import migrations

from kernel.ledger.database_functions.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = []

    operations = [InstallFunctions("ledger", version=1, digest="3df2b027d9f520cf")]
