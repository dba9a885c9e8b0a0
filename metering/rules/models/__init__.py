"""The tables of spending rules: their definitions (definition.py)."""

from metering.rules.models.definition import AgentRule, RuleCondition, RuleParameter, RuleVersion, SpendingRule

__all__ = ["AgentRule", "RuleCondition", "RuleParameter", "RuleVersion", "SpendingRule"]
