from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0001_tables")]

    operations = [InstallFunctions("backoffice", version=1, digest="7eadbb68ca63db0c")]
