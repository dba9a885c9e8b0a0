from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_tables")]

    operations = [InstallFunctions("metering", version=1, digest="8a6faf7c9c1988fb")]
