from django.db import migrations

from kernel.ledger.operations import SqlFile


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_tenants_and_keys")]

    operations = [
        SqlFile("ledger/0001_append_only.sql", reverse="DROP FUNCTION ledger_append_only();"),
    ]
