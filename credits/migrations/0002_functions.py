from django.db import migrations

from kernel.ledger.migration_operations import LayFunctions


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_tables")]

    operations = [LayFunctions("credits", version=1, digest="6b42fd74149448e9")]
