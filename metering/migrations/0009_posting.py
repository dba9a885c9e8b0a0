"""A posting is parsed once and not once for each table that it is written to; one that comes alone is written step by step."""

from django.db import migrations

from kernel.ledger.operations import SqlFile

# Back to the functions as 0004_posting laid them.
REVERSE = """
DROP FUNCTION metering_post(jsonb);
DROP FUNCTION metering_post_many(jsonb);
DROP FUNCTION metering_roll_up(metering_delta[]);
DROP FUNCTION metering_make_names(metering_posting[], metering_known[]);
DROP FUNCTION metering_find_names(metering_posting[]);
DROP FUNCTION metering_decided(text, metering_agent, boolean);
DROP FUNCTION metering_decline_reason(text, metering_agent);
DROP TYPE metering_outcome;
DROP TYPE metering_known;
DROP TYPE metering_posting;
DROP TYPE metering_posted_cost;
"""
BEFORE = SqlFile("metering/0004_posting.sql", reverse="").sql
FUNCTIONS = BEFORE[BEFORE.index("CREATE FUNCTION metering_roll_up(") :]


class Migration(migrations.Migration):
    dependencies = [("metering", "0008_leaner_rows")]

    operations = [SqlFile("metering/0009_posting.sql", reverse=REVERSE + FUNCTIONS)]
