from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, FirstStatistics, InstallFunctions, TenantForeignKey, TenantKey

STATUS_COLUMNS = (
    "status",
    "round",
    "outcome",
    "decline_reason",
    "updated_at",
    "preparing_at",
    "authorized_at",
    "denied_at",
    "cancelled_at",
    "completed_at",
    # A transaction that waited for a decision is paid when it is authorized.
    "requires_payment",
)
ADD_TRIGGERS = """
CREATE TRIGGER metering_forbid_wrong_move BEFORE UPDATE ON metering_transaction
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION metering_forbid_wrong_move();
CREATE TRIGGER metering_forbid_superseded_change BEFORE UPDATE ON metering_cost
    FOR EACH ROW WHEN (NOT OLD.is_active) EXECUTE FUNCTION metering_forbid_superseded_change();
"""
DROP_TRIGGERS = """
DROP TRIGGER metering_forbid_wrong_move ON metering_transaction;
DROP TRIGGER metering_forbid_superseded_change ON metering_cost;
"""
# A cost supersedes, and is superseded by, costs of its own transaction only.
ADD_SUPERSESSION_KEYS = """
ALTER TABLE metering_cost ADD CONSTRAINT metering_cost_supersedes_fkey
    FOREIGN KEY (tenant_id, transaction_id, supersedes_id) REFERENCES metering_cost (tenant_id, transaction_id, id)
    DEFERRABLE INITIALLY IMMEDIATE;
ALTER TABLE metering_cost ADD CONSTRAINT metering_cost_superseded_by_fkey
    FOREIGN KEY (tenant_id, transaction_id, superseded_by_id) REFERENCES metering_cost (tenant_id, transaction_id, id)
    DEFERRABLE INITIALLY IMMEDIATE;
"""
DROP_SUPERSESSION_KEYS = """
ALTER TABLE metering_cost DROP CONSTRAINT metering_cost_supersedes_fkey;
ALTER TABLE metering_cost DROP CONSTRAINT metering_cost_superseded_by_fkey;
"""
# Rows that change: free space keeps the new version of a row on the same page.
SET_FILL_FACTORS = """
ALTER TABLE metering_transaction SET (fillfactor = 80);
ALTER TABLE metering_cost SET (fillfactor = 90);
ALTER TABLE metering_rollup SET (fillfactor = 60);
ALTER TABLE metering_usagesum SET (fillfactor = 70);
"""
RESET_FILL_FACTORS = """
ALTER TABLE metering_transaction RESET (fillfactor);
ALTER TABLE metering_cost RESET (fillfactor);
ALTER TABLE metering_rollup RESET (fillfactor);
ALTER TABLE metering_usagesum RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_tables"), ("ledger", "0001_functions")]

    operations = [
        InstallFunctions("metering", version=1, digest="358963486432b00d"),
        TenantKey("Policy"),
        TenantKey("Service"),
        TenantKey("Agent"),
        TenantKey("Trace", row_first=True),
        TenantKey("Transaction", row_first=True),
        TenantKey("Fact", row_first=True),
        TenantKey("Cost", row_first=True),
        TenantKey("StatusChange", row_first=True),
        TenantKey("Price"),
        TenantKey("UnitPrice"),
        TenantKey("Rollup"),
        TenantKey("Usage", row_first=True),
        TenantKey("UsageSum", row_first=True),
        TenantKey("UsageNote", row_first=True),
        TenantKey("UsageProgress"),
        TenantKey("UsageKey"),
        TenantForeignKey("Transaction", "service"),
        TenantForeignKey("Transaction", "agent"),
        TenantForeignKey("Transaction", "trace"),
        TenantForeignKey("Fact", "transaction", index=True),
        TenantForeignKey("Cost", "transaction"),
        TenantForeignKey("Cost", "inferred_from"),
        TenantForeignKey("StatusChange", "transaction"),
        TenantForeignKey("UnitPrice", "price"),
        TenantForeignKey("Rollup", "service"),
        TenantForeignKey("Rollup", "agent"),
        AppendOnly("Service"),
        AppendOnly("Agent", may_change=("label", "name", "description", "status", "customer_id", "updated_at")),
        AppendOnly("Trace"),
        AppendOnly("Transaction", may_change=STATUS_COLUMNS),
        AppendOnly("Fact"),
        AppendOnly("Cost", may_change=("is_active", "superseded_at", "superseded_by_id")),
        AppendOnly("StatusChange"),
        AppendOnly("Price", may_change=("valid_to",)),
        AppendOnly("UnitPrice"),
        migrations.RunSQL(ADD_TRIGGERS, DROP_TRIGGERS),
        migrations.RunSQL(ADD_SUPERSESSION_KEYS, DROP_SUPERSESSION_KEYS),
        migrations.RunSQL(SET_FILL_FACTORS, RESET_FILL_FACTORS),
        FirstStatistics("Policy"),
        FirstStatistics("Service"),
        FirstStatistics("Agent"),
        FirstStatistics("Trace"),
        FirstStatistics("Transaction"),
        FirstStatistics("Fact"),
        FirstStatistics("Cost"),
        FirstStatistics("StatusChange"),
        FirstStatistics("Price"),
        FirstStatistics("UnitPrice"),
        FirstStatistics("Rollup"),
        FirstStatistics("Usage"),
        FirstStatistics("UsageSum"),
        FirstStatistics("UsageNote"),
        FirstStatistics("UsageProgress"),
        FirstStatistics("UsageKey"),
    ]
