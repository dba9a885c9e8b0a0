from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("events", "0001_tables")]

    operations = [InstallFunctions("events", version=1, digest="030421a23859f3a9")]
