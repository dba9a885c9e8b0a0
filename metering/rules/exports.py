"""Exports of spending rules, for the record: the rules with every version, and the decisions. Nothing imports them.

What the rules measure, their counters and these counters' entries are sums of transactions, and are in no file.
"""

from kernel.ledger.exports.definitions import Field, Kind, LedgerFile, amount, fields, moment

PARAMETERS = f"""(
    SELECT json_agg(json_build_object(
        'id', part.id, 'parameterName', part.parameter_name, 'limitValue', {amount("part.limit_value")},
        'measurementType', part.measurement_type, 'intervalValue', part.interval_value, 'intervalUnit', part.interval_unit,
        'isRolling', part.is_rolling, 'groupBy', part.group_by, 'measurementScope', part.measurement_scope,
        'includeEstimates', part.include_estimates, 'currency', part.currency, 'timeZone', part.time_zone,
        'description', part.description, 'createdAt', {moment("part.created_at")}, 'removedAt', {moment("part.removed_at")}
    ) ORDER BY part.created_at, part.id)
    FROM rules_ruleparameter AS part WHERE part.tenant_id = rule.tenant_id AND part.rule_id = rule.id
)"""  # noqa: S608 - made of constants
CONDITIONS = f"""(
    SELECT json_agg(json_build_object(
        'id', part.id, 'fieldType', part.field_type, 'fieldName', part.field_name, 'operator', part.operator, 'value', part.value,
        'conditionGroup', part.condition_group, 'createdAt', {moment("part.created_at")}, 'removedAt', {moment("part.removed_at")}
    ) ORDER BY part.created_at, part.id)
    FROM rules_rulecondition AS part WHERE part.tenant_id = rule.tenant_id AND part.rule_id = rule.id
)"""  # noqa: S608 - made of constants
AGENTS = f"""(
    SELECT json_agg(json_build_object(
        'id', part.id, 'agentId', part.agent_id, 'createdAt', {moment("part.created_at")}, 'removedAt', {moment("part.removed_at")}
    ) ORDER BY part.created_at, part.id)
    FROM rules_agentrule AS part WHERE part.tenant_id = rule.tenant_id AND part.rule_id = rule.id
)"""  # noqa: S608 - made of constants
VERSIONS = f"""(
    SELECT json_agg(json_build_object(
        'id', stored.id, 'version', stored.version, 'change', stored.change, 'definition', stored.definition, 'actor', stored.actor,
        'createdAt', {moment("stored.created_at")}
    ) ORDER BY stored.version)
    FROM rules_ruleversion AS stored WHERE stored.tenant_id = rule.tenant_id AND stored.rule_id = rule.id
)"""  # noqa: S608 - made of constants
DENIALS = f"""(
    SELECT json_agg(json_build_object(
        'id', denial.id, 'ruleId', denial.rule_id, 'ruleVersion', denial.rule_version, 'reason', denial.reason,
        'createdAt', {moment("denial.created_at")}
    ) ORDER BY denial.created_at, denial.id)
    FROM rules_ruleexecution AS denial WHERE denial.tenant_id = request.tenant_id AND denial.request_id = request.id
)"""  # noqa: S608 - made of constants

EXPORTS = (
    LedgerFile(
        name="spending-rules",
        description="every spending rule with its limits, conditions, agents and versions, removed ones too",
        tables=("rules_spendingrule", "rules_ruleparameter", "rules_rulecondition", "rules_agentrule", "rules_ruleversion"),
        row="rule",
        fields=(
            Field("id"),
            Field("numeric_id", kind=Kind.WHOLE),
            *fields("name", "rule_type", "resolution_strategy", "status"),
            Field("version", kind=Kind.WHOLE),
            Field("metadata", kind=Kind.JSON),
            Field("parameters", PARAMETERS, kind=Kind.JSON),
            Field("conditions", CONDITIONS, kind=Kind.JSON),
            Field("agents", AGENTS, kind=Kind.JSON),
            Field("versions", VERSIONS, kind=Kind.JSON),
            *fields("created_at", "updated_at", "paused_at", "deleted_at", kind=Kind.MOMENT),
            Field("actor"),
        ),
        source="rules_spendingrule AS rule WHERE rule.tenant_id = %(tenant)s ORDER BY rule.numeric_id",
    ),
    LedgerFile(
        name="authorization-requests",
        description="every round in which a transaction asked for authorization, with what the spending rules said",
        tables=("rules_authorizationrequest", "rules_ruleexecution"),
        row="request",
        fields=(
            *fields("id", "transaction_id"),
            Field("round", kind=Kind.WHOLE),
            *fields("status", "decline_reason"),
            Field("executions", kind=Kind.JSON),
            Field("denials", DENIALS, kind=Kind.JSON),
            Field("payment", kind=Kind.JSON),
            Field("payment_amount", kind=Kind.MONEY),
            Field("payment_currency"),
            *fields("decided_at", "passes_at", "created_at", "updated_at", kind=Kind.MOMENT),
            *fields("idempotency_key", "actor", "request_id"),
        ),
        source="""
            rules_authorizationrequest AS request WHERE request.tenant_id = %(tenant)s ORDER BY request.created_at, request.id
        """,
    ),
)
