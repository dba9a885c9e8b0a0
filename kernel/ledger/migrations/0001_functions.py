from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = []

    operations = [InstallFunctions("ledger", version=1, digest="525531334da046a3")]
