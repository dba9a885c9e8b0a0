from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = []

    operations = [InstallFunctions("ledger", version=1, digest="b6006c352f4e8843")]
