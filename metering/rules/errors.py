"""What spending rules refuse, and what their constraints mean to a caller."""

from kernel.ledger.constraints import register_error, register_internal
from kernel.ledger.errors import Busy, LedgerError


class VersionConflict(LedgerError):
    """The rule isn't at the version that the change was made from. Facts: id, version (the rule's)."""

    code = "version_conflict"


class NotArchivable(LedgerError):
    """The rule isn't at the version that the call names, or is archived already. Facts: id, version, status."""

    code = "not_archivable"


class NotRestorable(LedgerError):
    """The rule isn't at the version that the call names, or isn't archived. Facts: id, version, status."""

    code = "not_restorable"


class RuleArchived(LedgerError):
    """An archived rule isn't changed: restore it first. Facts: id."""

    code = "rule_archived"


class SystemRule(LedgerError):
    """The system rule can't be changed. Facts: none."""

    code = "system_rule"


class TooManyRules(LedgerError):
    """The tenant has as many rules as it may have that aren't archived. Facts: max."""

    code = "too_many_rules"


# Two calls made the same row at once: the other one won, and the same call finds it when it is repeated.
for _constraint in (
    "rules_spendingrule_numeric_id_key",
    "rules_ruleversion_idempotency_key_key",
    "rules_authorizationrequest_idempotency_key_key",
):
    register_error(_constraint, Busy)
register_error("rules_ruleversion_version_key", VersionConflict)
# Checked before by the fields of the API and by the services.
register_internal(
    "rules_spendingrule_numeric_id_check",
    "rules_spendingrule_version_check",
    "rules_spendingrule_name_check",
    "rules_spendingrule_rule_type_check",
    "rules_spendingrule_resolution_strategy_check",
    "rules_spendingrule_status_check",
    "rules_ruleparameter_limit_value_finite",
    "rules_ruleparameter_limit_value_check",
    "rules_ruleparameter_measurement_type_check",
    "rules_ruleparameter_interval_check",
    "rules_ruleparameter_interval_value_check",
    "rules_ruleparameter_measurement_scope_check",
    "rules_ruleparameter_currency_check",
    "rules_ruleparameter_rule_fkey",
    "rules_rulecondition_field_check",
    "rules_rulecondition_operator_check",
    "rules_rulecondition_rule_fkey",
    "rules_agentrule_agent_key",
    "rules_agentrule_rule_fkey",
    "rules_agentrule_agent_fkey",
    "rules_ruleversion_version_check",
    "rules_ruleversion_change_check",
    "rules_ruleversion_rule_fkey",
    # Written by the SQL functions alone.
    "rules_ruleparameter_measure_fkey",
    "rules_rulemeasure_key",
    "rules_rulemeasure_interval_value_check",
    "rules_rulecounter_group_key",
    "rules_rulecounter_measure_fkey",
    "rules_rulecounterentry_key",
    "rules_rulecounterentry_counter_fkey",
    "rules_rulecounterentry_transaction_fkey",
    "rules_authorizationrequest_round_key",
    "rules_authorizationrequest_payment_amount_finite",
    "rules_authorizationrequest_status_check",
    "rules_authorizationrequest_transaction_fkey",
    "rules_ruleexecution_rule_fkey",
    "rules_ruleexecution_rule_version_check",
    "rules_ruleexecution_transaction_fkey",
    "rules_ruleexecution_request_fkey",
)
