"""One amount across many grants, in order, and back again."""

from django.db import migrations

from kernel.ledger.operations import SqlFile

REVERSE = """
DROP FUNCTION credits_reinstate(jsonb);
DROP FUNCTION credits_consume(jsonb);
DROP FUNCTION credits_post_all(jsonb);
DROP FUNCTION credits_preview(uuid, text, text, text, numeric, timestamptz);
DROP FUNCTION credits_plan(credits_grant[], numeric);
DROP FUNCTION credits_lock_payers(credits_draw);
DROP FUNCTION credits_could_pay(credits_grant, text, text, date);
DROP TYPE credits_draw;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_posting")]

    operations = [SqlFile("credits/0004_burn_down.sql", reverse=REVERSE)]
