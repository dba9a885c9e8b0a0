from django.db import migrations

from kernel.ledger.operations import SqlFile


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_laws")]

    operations = [
        SqlFile("billing/0003_posting.sql", reverse="DROP FUNCTION billing_post(jsonb); DROP TYPE billing_posting;"),
    ]
