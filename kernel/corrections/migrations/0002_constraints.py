from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, TenantForeignKey, TenantKey

# A request that was decided never changes again: it can't be moved back to waiting, posted twice, or given another approver.
ADD_FINAL_TRIGGER = """
CREATE TRIGGER corrections_request_final BEFORE UPDATE ON corrections_request FOR EACH ROW WHEN (OLD.state <> 'waiting')
EXECUTE FUNCTION ledger_append_only()
"""
DROP_FINAL_TRIGGER = "DROP TRIGGER corrections_request_final ON corrections_request"
MODELS = ("Line", "Entry", "Evidence", "Comment", "StateChange")


class Migration(migrations.Migration):
    dependencies = [("corrections", "0001_tables"), ("ledger", "0001_functions")]

    operations = [
        TenantKey("CorrectionRequest"),
        TenantKey("CorrectionThreshold"),
        *(TenantKey(f"Correction{name}") for name in MODELS),
        *(TenantForeignKey(f"Correction{name}", "request", index=name not in {"Line", "Entry"}) for name in MODELS),
        AppendOnly("CorrectionRequest", may_change=("state", "decided_by", "decided_at", "preview", "size")),
        *(AppendOnly(f"Correction{name}") for name in MODELS),
        migrations.RunSQL(ADD_FINAL_TRIGGER, DROP_FINAL_TRIGGER),
    ]
