"""Replies about what is used of a rule, and what rules decided or would decide."""

from kernel.api.amounts import AmountText
from kernel.api.fields import Choice, Currency, Identifier, Integer, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from metering.api.serializers.authorization import Group, RuleExecutionReply
from metering.api.serializers.rule_replies import Constant, RuleReply
from metering.rules.choices import IntervalUnit, Measurement


class UsageReply(RuleReply):
    """One limit of a rule, for one group. `windowEnd` is null for a rolling window. `nextAt`: when its oldest entry leaves, and something
    comes back; `resetsAt`: when all of it is back, if nothing more is spent; `tightestAt`: since when no less was left than now."""

    parameter_id = Identifier()
    parameter_name = Text(required=False)
    measurement_type = Choice(Measurement.values)
    interval_value = Integer(required=False)
    interval_unit = Choice(IntervalUnit.values, required=False)
    currency = Currency()
    group = Group(required=False)
    limit_value = AmountText(full=True)
    used = AmountText(full=True)
    remaining = AmountText(full=True)
    window_start = Timestamp(required=False)
    window_end = Timestamp(required=False)
    next_at = Timestamp(required=False)
    resets_at = Timestamp(required=False)
    tightest_at = Timestamp(required=False)


class RuleUsageReply(RuleReply):
    """What is used of a rule's limits: for each limit the groups that have used most, up to 100."""

    data = ListOf(Nested(UsageReply))


class EvaluationReply(RuleReply):
    """What would become of a transaction. `PREPARING`: a person would decide. `passesAt`: when the same call would pass."""

    decision = Choice(("ALLOWED", "DENIED", "PREPARING"))
    reason = Text(required=False)
    passes_at = Timestamp(required=False)
    executions = ListOf(Nested(RuleExecutionReply))


class SummaryAttributes(RuleReply):
    limit_usd = AmountText(full=True, required=False)
    window_spend_usd = AmountText(full=True, required=False)
    rule_id = Identifier(required=False)


class SummaryResource(RuleReply):
    type = Constant("spend-limit-summary")
    id = Identifier()
    attributes = Nested(SummaryAttributes)


class SummaryMeta(RuleReply):
    organization_id = Identifier()
    queried_at = Timestamp()


class SpendLimitSummaryReply(RuleReply):
    """The limit in USD that has the least left; all three null where no rule limits what calls cost."""

    data = Nested(SummaryResource)
    meta = Nested(SummaryMeta)
