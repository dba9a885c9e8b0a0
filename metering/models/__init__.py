"""The models of the metering ledger: what was done and what it cost (transactions), the tenant's own prices (prices), and sums (usage)."""

from metering.models.prices import Price, UnitPrice
from metering.models.transactions import Agent, Cost, Fact, Policy, Rollup, Service, StatusChange, Trace, Transaction
from metering.models.usage import Usage, UsageKey, UsageNote, UsageProgress, UsageSum

__all__ = [
    "Agent",
    "Cost",
    "Fact",
    "Policy",
    "Price",
    "Rollup",
    "Service",
    "StatusChange",
    "Trace",
    "Transaction",
    "UnitPrice",
    "Usage",
    "UsageKey",
    "UsageNote",
    "UsageProgress",
    "UsageSum",
]
