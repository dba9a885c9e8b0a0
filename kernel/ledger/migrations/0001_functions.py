from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = []

    operations = [InstallFunctions("ledger", version=1, digest="5c3089ff3526dacd")]
