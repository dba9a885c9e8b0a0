"""Bodies of the calls of spending rules. Members of a rule's own replies may stand in them: a rule that was read can be sent back."""

from typing import Any

from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Currency, Identifier, Integer, JsonObject, Text
from kernel.api.json import Source
from kernel.api.nested import ListOf, Nested
from kernel.api.serializers import Body
from metering.api.dialect import spending_rule_dialect
from metering.rules.choices import (
    MAX_GROUP_WORDS,
    SETTABLE_STATUSES,
    FieldType,
    IntervalUnit,
    Measurement,
    Operator,
    ResolutionStrategy,
    RuleType,
    Scope,
)

ABSENT: dict[str, Any] = {"required": False, "allow_null": True}
OF_RULE = frozenset({"ruleId", "tenantId", "createdAt", "updatedAt"})
# An older name of a type, which callers may still send.
RENAMED_TYPES = {"spending_limit": RuleType.USAGE_LIMIT}


class RuleBody(Body):
    dialect = spending_rule_dialect


class RuleTypeField(Choice):
    """A rule's type; `spending_limit` is read as `usage_limit`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(RuleType.values, **kwargs)

    def parse(self, value: Any, source: Source | None = None) -> str:
        return super().parse(RENAMED_TYPES.get(value, value) if isinstance(value, str) else value, source)


class ParameterBody(RuleBody):
    """One limit of a rule. `this_*` measurements have no interval; the others need one."""

    reply_members = OF_RULE

    # Says which parameter of the rule this is; another rule's or an unknown one is as none.
    id = Identifier(**ABSENT)
    parameter_name = Text(max_length=255, **ABSENT)
    limit_value = AmountText(example="10.00", description="An amount in `currency`, or a number of transactions; a string, never a number.")
    measurement_type = Choice(Measurement.values)
    interval_value = Integer(description="1 to 1000; no window is longer than 366 days.", **ABSENT)
    interval_unit = Choice(IntervalUnit.values, **ABSENT)
    is_rolling = Boolean(required=False, allow_null=True, default=True, description="false: calendar windows in `timeZone`.")
    group_by = ListOf(
        Text(min_length=1, max_length=255),
        max_items=MAX_GROUP_WORDS,
        description="agent, service, action, resource, trace, customer or qualifier:<key>: each group has the limit for itself.",
        **ABSENT,
    )
    measurement_scope = Choice(
        Scope.values,
        required=False,
        allow_null=True,
        default=Scope.ALL.value,
        description="all: every transaction of the tenant is summed; rule: only those that the rule applies to.",
    )
    include_estimates = Boolean(
        required=False, allow_null=True, default=True, description="false: estimates of calls in flight aren't seen: a brake, not a cap."
    )
    currency = Currency(required=False, allow_null=True, default="USD")
    time_zone = Text(min_length=1, max_length=64, required=False, allow_null=True, default="UTC", description="An IANA name.")
    description = Text(max_length=10_000, **ABSENT)


class NewParameterBody(ParameterBody):
    """A parameter to add to a rule."""

    version = Integer(min_value=1, description="The rule's version; another one is a conflict.", **ABSENT)


class ConditionBody(RuleBody):
    """What a transaction must look like. Conditions of one group must all match; of several groups one must."""

    reply_members = OF_RULE | {"id"}

    field_type = Choice(FieldType.values)
    field_name = Text(max_length=255, description="The key, for the last three types; dots lead into objects.", **ABSENT)
    operator = Choice(Operator.values)
    value = Text(max_length=2048)
    condition_group = Text(min_length=1, max_length=64, required=False, allow_null=True, default="primary")


class RuleRequest(RuleBody):
    """A spending rule."""

    reply_members = frozenset(
        {
            *("id", "tenantId", "numericId", "formattedId", "version", "seeding", "createdAt", "updatedAt", "deletedAt", "lastEditedBy"),
            "agentRules",
        }
    )

    name = Text(min_length=1, max_length=255)
    rule_type = RuleTypeField(description="spending_limit is read as usage_limit.")
    resolution_strategy = Choice(ResolutionStrategy.values, description="manual: where the rule denies, a person decides.", **ABSENT)
    status = Choice(SETTABLE_STATUSES, **ABSENT)
    metadata = JsonObject(**ABSENT)
    notify_at = ListOf(AmountText(), max_items=10, description='Parts of the limit, "0.8" for 80 %, that send an event.', **ABSENT)
    conditions = ListOf(Nested(ConditionBody), max_items=100, **ABSENT)
    parameters = ListOf(Nested(ParameterBody), max_items=20, **ABSENT)
    agent_ids = ListOf(Identifier(), max_items=1000, description="Left out or empty: all agents.", **ABSENT)


class RuleChangeRequest(RuleRequest):
    """What changes in a rule. A list that is there replaces the old one whole; what is left out or null stays."""

    name = Text(min_length=1, max_length=255, **ABSENT)
    rule_type = RuleTypeField(description="spending_limit is read as usage_limit.", **ABSENT)
    version = Integer(min_value=1, description="The version that was read; another one is a conflict.")


class VersionRequest(RuleBody):
    """The version of the rule that the caller knows."""

    version = Integer(min_value=1)
