from django.db import migrations

from kernel.ledger.migration_operations import AppendOnly, TenantForeignKey, TenantKey

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
    ]
