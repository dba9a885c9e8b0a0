from django.db import migrations

from kernel.ledger.migration_operations import LayFunctions


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_tables")]

    operations = [LayFunctions("billing", version=1, digest="98ac639fe7f9daab")]
