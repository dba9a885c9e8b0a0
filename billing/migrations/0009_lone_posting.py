"""A posting that comes alone doesn't pay for the arrays that a thousand need."""

from django.db import migrations

from kernel.ledger.operations import SqlFile

REVERSE = """
DROP FUNCTION billing_post(jsonb);
DROP FUNCTION billing_twin(uuid, uuid, bigint, billing_transaction, interval);
ALTER FUNCTION billing_post_many(jsonb) RENAME TO billing_post;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_first_statistics")]

    operations = [SqlFile("billing/0009_lone_posting.sql", reverse=REVERSE)]
