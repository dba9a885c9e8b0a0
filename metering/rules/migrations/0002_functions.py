from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("rules", "0001_tables")]

    operations = [InstallFunctions("rules", version=1, digest="13719aca8094a1a7")]
