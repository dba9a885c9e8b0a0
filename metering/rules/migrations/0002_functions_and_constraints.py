from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, FirstStatistics, InstallFunctions, TenantForeignKey, TenantKey

MODELS = ("SpendingRule", "RuleParameter", "RuleCondition", "AgentRule", "RuleVersion")
RULE_COLUMNS = (
    "name",
    "rule_type",
    "resolution_strategy",
    "status",
    "version",
    "metadata",
    "notify_at",
    "is_seeding",
    "updated_at",
    "paused_at",
    "deleted_at",
    "actor",
)
COUNTING = ("RuleMeasure", "RuleCounter", "RuleExecution")
REQUEST_COLUMNS = ("status", "decline_reason", "executions", "rule_ids", "passes_at", "decided_at", "updated_at")
# Rows that change with every decision: free space keeps the new version of a row on the same page.
SET_FILL_FACTORS = "ALTER TABLE rules_rulecounter SET (fillfactor = 50); ALTER TABLE rules_rulecounterentry SET (fillfactor = 90);"
RESET_FILL_FACTORS = "ALTER TABLE rules_rulecounter RESET (fillfactor); ALTER TABLE rules_rulecounterentry RESET (fillfactor);"
# Transactions that waited for a decision, by its time: what was authorized at once isn't looked up so, and pays nothing for the index.
CREATE_LATE_STEPS = """
CREATE INDEX rules_late_steps ON metering_statuschange (tenant_id, created_at) WHERE to_status = 'authorized' AND from_status IS NOT NULL;
"""
DROP_LATE_STEPS = "DROP INDEX rules_late_steps;"


class Migration(migrations.Migration):
    dependencies = [("rules", "0001_tables"), ("metering", "0002_functions_and_constraints"), ("ledger", "0001_functions")]

    operations = [
        InstallFunctions("rules", version=1, digest="5bc1a0ae2e6f6ac6"),
        *(TenantKey(model) for model in MODELS),
        *(TenantForeignKey(model, "rule") for model in MODELS[1:]),
        TenantForeignKey("AgentRule", "agent"),
        AppendOnly("SpendingRule", may_change=RULE_COLUMNS),
        # What is measured never changes in a row: another measurement is another parameter.
        AppendOnly("RuleParameter", may_change=("parameter_name", "limit_value", "description", "measure_id", "updated_at", "removed_at")),
        AppendOnly("RuleCondition", may_change=("updated_at", "removed_at")),
        AppendOnly("AgentRule", may_change=("updated_at", "removed_at")),
        AppendOnly("RuleVersion"),
        *(TenantKey(model) for model in COUNTING),
        TenantKey("RuleCounterEntry", row_first=True),
        TenantKey("AuthorizationRequest", row_first=True),
        TenantForeignKey("RuleParameter", "measure"),
        TenantForeignKey("RuleCounter", "measure"),
        TenantForeignKey("RuleCounterEntry", "counter"),
        TenantForeignKey("RuleCounterEntry", "transaction"),
        TenantForeignKey("AuthorizationRequest", "transaction"),
        TenantForeignKey("RuleExecution", "rule"),
        TenantForeignKey("RuleExecution", "transaction"),
        TenantForeignKey("RuleExecution", "request"),
        AppendOnly("AuthorizationRequest", may_change=REQUEST_COLUMNS),
        AppendOnly("RuleExecution"),
        migrations.RunSQL(SET_FILL_FACTORS, RESET_FILL_FACTORS),
        migrations.RunSQL(CREATE_LATE_STEPS, DROP_LATE_STEPS),
        *(FirstStatistics(model) for model in (*MODELS, *COUNTING, "RuleCounterEntry", "AuthorizationRequest")),
    ]
