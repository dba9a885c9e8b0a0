from django.db import migrations

from kernel.ledger.operations import SqlFile

REVERSE = """
DROP FUNCTION billing_post(jsonb);
DROP FUNCTION billing_likeness(bigint, bigint);
DROP FUNCTION billing_hour(timestamptz);
DROP TYPE billing_posting;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_laws")]

    operations = [
        SqlFile("billing/0003_posting.sql", reverse=REVERSE),
    ]
