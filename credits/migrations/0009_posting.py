"""A posting that is alone is written at once, and many that nothing stands against are written together."""

from django.db import migrations

from kernel.ledger.operations import SqlFile

# Back to the functions as 0003_posting laid them.
REVERSE = """
DROP FUNCTION credits_open(jsonb);
DROP TYPE credits_opening;
DROP FUNCTION credits_post(jsonb);
DROP FUNCTION credits_post_together(credits_posting[]);
DROP FUNCTION credits_release_overdue(credits_grant[], timestamptz, text, text);
DROP FUNCTION credits_refusal(text, text, numeric, text, credits_grant, numeric, date, numeric);
DROP FUNCTION credits_closing_refusal(text, credits_grant, date);
DROP FUNCTION credits_cost(credits_grant, numeric);
DROP FUNCTION credits_moment(timestamptz, timestamptz);
DROP FUNCTION credits_day(timestamptz);
DROP FUNCTION credits_new_id();
DROP TYPE credits_outcome;
DROP TYPE credits_posting;
"""
BEFORE = SqlFile("credits/0003_posting.sql", reverse="").sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0008_leaner_rows")]

    operations = [SqlFile("credits/0009_posting.sql", reverse=REVERSE + BEFORE)]
