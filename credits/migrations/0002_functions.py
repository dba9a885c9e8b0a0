from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_tables")]

    operations = [InstallFunctions("credits", version=1, digest="3dc33df510472175")]
