"""The tables of spending rules: their definitions (definition.py), and what decisions read and write (counting.py)."""

from metering.rules.models.counting import AuthorizationRequest, RuleCounter, RuleCounterEntry, RuleExecution, RuleMeasure
from metering.rules.models.definition import AgentRule, RuleCondition, RuleParameter, RuleVersion, SpendingRule

__all__ = [
    "AgentRule",
    "AuthorizationRequest",
    "RuleCondition",
    "RuleCounter",
    "RuleCounterEntry",
    "RuleExecution",
    "RuleMeasure",
    "RuleParameter",
    "RuleVersion",
    "SpendingRule",
]
