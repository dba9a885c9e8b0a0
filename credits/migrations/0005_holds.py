"""Amounts reserved, and what becomes of them."""

from django.db import migrations

from kernel.ledger.operations import SqlFile

REVERSE = """
DROP FUNCTION credits_settle(jsonb);
DROP FUNCTION credits_place(jsonb);
DROP TYPE credits_settlement;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_burn_down")]

    operations = [SqlFile("credits/0005_holds.sql", reverse=REVERSE)]
