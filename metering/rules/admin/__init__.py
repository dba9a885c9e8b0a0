"""The pages of spending rules."""

from metering.rules.admin.pages import RuleVersionAdmin, SpendingRuleAdmin

__all__ = ["RuleVersionAdmin", "SpendingRuleAdmin"]
