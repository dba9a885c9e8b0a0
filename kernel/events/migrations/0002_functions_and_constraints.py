from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, InstallFunctions, TenantForeignKey, TenantKey

# The place of an event in the lists of its tenant: given by fan-out, one call at a time, so in the order of commits.
CREATE_POSITIONS = "CREATE SEQUENCE events_position"
DROP_POSITIONS = "DROP SEQUENCE events_position"


class Migration(migrations.Migration):
    dependencies = [("events", "0001_tables"), ("ledger", "0001_functions"), ("backfills", "0001_tables")]

    operations = [
        InstallFunctions("events", version=1, digest="8e2e1d6163190167"),
        TenantKey("Endpoint"),
        TenantKey("Listener"),
        TenantKey("Event", row_first=True),
        TenantKey("Delivery", row_first=True),
        TenantKey("Attempt", row_first=True),
        TenantKey("IdempotentCall"),
        TenantKey("SecretReading"),
        TenantForeignKey("Delivery", "event"),
        TenantForeignKey("Delivery", "endpoint"),
        TenantForeignKey("Attempt", "delivery"),
        TenantForeignKey("SecretReading", "endpoint"),
        AppendOnly("SecretReading"),
        migrations.RunSQL(CREATE_POSITIONS, DROP_POSITIONS),
    ]
