from django.db import migrations

from kernel.ledger.migration_operations import LayFunctions


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0001_tables")]

    operations = [LayFunctions("backoffice", version=1, digest="1f91fc2b7005acb7")]
