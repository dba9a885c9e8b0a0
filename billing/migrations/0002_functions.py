from django.db import migrations

from kernel.ledger.migration_operations import LayFunctions


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_tables")]

    operations = [LayFunctions("billing", version=1, digest="55b67c07d7bfeb69")]
