from django.db import migrations

# Every pair of dimensions has sums by the hour: what was counted without them is counted again, by the next question or the job.
RECOUNT = (
    "DELETE FROM metering_usagesum",
    "DELETE FROM metering_usage",
    "DELETE FROM metering_usagenote",
    "UPDATE metering_usageprogress SET counted_until = '1900-01-01T00:00:00Z'",
    "UPDATE metering_usagekey SET counts_from = NULL WHERE withdrawn_at IS NULL",
)


class Migration(migrations.Migration):
    dependencies = [("metering", "0007_calls")]

    operations = [migrations.RunSQL(list(RECOUNT), migrations.RunSQL.noop)]
