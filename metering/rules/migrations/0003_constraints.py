from django.db import migrations

from kernel.ledger.migration_operations import AppendOnly, FirstStatistics, TenantForeignKey, TenantKey

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


class Migration(migrations.Migration):
    dependencies = [("rules", "0002_functions"), ("metering", "0003_constraints"), ("ledger", "0001_functions")]

    operations = [
        *(TenantKey(model) for model in MODELS),
        *(TenantForeignKey(model, "rule") for model in MODELS[1:]),
        TenantForeignKey("AgentRule", "agent"),
        AppendOnly("SpendingRule", may_change=RULE_COLUMNS),
        # What is measured never changes in a row: another measurement is another parameter.
        AppendOnly("RuleParameter", may_change=("parameter_name", "limit_value", "description", "updated_at", "removed_at")),
        AppendOnly("RuleCondition", may_change=("updated_at", "removed_at")),
        AppendOnly("AgentRule", may_change=("updated_at", "removed_at")),
        AppendOnly("RuleVersion"),
        *(FirstStatistics(model) for model in MODELS),
    ]
