from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("paying", "0001_tables")]

    operations = [InstallFunctions("paying", version=1, digest="2ea693e39515b68c")]
