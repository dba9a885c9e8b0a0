from django.db import migrations

from kernel.ledger.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_tables")]

    operations = [InstallFunctions("billing", version=1, digest="87aaad2a64d68c1c")]
