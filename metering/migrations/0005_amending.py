from django.db import migrations

from kernel.ledger.operations import SqlFile


class Migration(migrations.Migration):
    dependencies = [("metering", "0004_posting")]

    operations = [SqlFile("metering/0005_amending.sql", reverse="DROP FUNCTION metering_amend(jsonb);")]
