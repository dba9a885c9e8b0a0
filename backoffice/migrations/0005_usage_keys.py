from django.db import migrations

# What the job that counts by a key notes on its row is no change of a setting.
HIDDEN = "counts_from,backfilled_at,backfilled_id,has_sums"
TRIGGER = (
    "CREATE TRIGGER backoffice_history_{when} AFTER {event} ON metering_usagekey"
    f" FOR EACH ROW EXECUTE FUNCTION backoffice_record_change('{HIDDEN}')"
)
DROP = "DROP TRIGGER backoffice_history_{when} ON metering_usagekey"
EVENTS = {"insert": "INSERT OR DELETE", "update": "UPDATE OF place, name, number, withdrawn_at"}


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0004_day_sums"), ("metering", "0006_usage")]

    operations = [migrations.RunSQL(TRIGGER.format(when=when, event=event), DROP.format(when=when)) for when, event in EVENTS.items()]
