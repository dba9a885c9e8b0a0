"""The pages of spending rules."""

from metering.rules.admin.counting import RuleExecutionAdmin
from metering.rules.admin.pages import SpendingRuleAdmin

__all__ = ["RuleExecutionAdmin", "SpendingRuleAdmin"]
