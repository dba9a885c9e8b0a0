"""The one way by which a grant's balance moves."""

from django.db import migrations

from kernel.ledger.operations import SqlFile

REVERSE = """
DROP FUNCTION credits_open(jsonb);
DROP TYPE credits_opening;
DROP FUNCTION credits_post(jsonb);
DROP FUNCTION credits_release_overdue(credits_grant[], timestamptz, text, text);
DROP FUNCTION credits_refusal(credits_posting, credits_grant, date, numeric);
DROP FUNCTION credits_closing_refusal(text, credits_grant, date);
DROP FUNCTION credits_cost(credits_grant);
DROP FUNCTION credits_moment(timestamptz, timestamptz);
DROP FUNCTION credits_day(timestamptz);
DROP FUNCTION credits_new_id();
DROP TYPE credits_outcome;
DROP TYPE credits_posting;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_laws")]

    operations = [SqlFile("credits/0003_posting.sql", reverse=REVERSE)]
