from django.db import migrations

from kernel.ledger.operations import SqlFile


class Migration(migrations.Migration):
    dependencies = [("metering", "0003_append_only")]

    operations = [
        SqlFile(
            "metering/0004_posting.sql",
            reverse="DROP FUNCTION metering_post(jsonb); DROP FUNCTION metering_roll_up(metering_delta[]); DROP TYPE metering_delta;",
        ),
    ]
