from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("events", "0001_tables")]

    operations = [InstallFunctions("events", version=1, digest="5cdd18a193ba75e8")]
