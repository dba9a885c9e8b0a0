from django.db import migrations

from kernel.ledger.migration_operations import LayFunctions


class Migration(migrations.Migration):
    dependencies = []

    operations = [LayFunctions("ledger", version=1, digest="525531334da046a3")]
