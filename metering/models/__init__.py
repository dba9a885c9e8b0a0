"""The models of the metering ledger: what was done and what it cost (transactions), and the tenant's own prices (prices)."""

from metering.models.prices import Price, UnitPrice
from metering.models.transactions import Agent, Cost, Fact, Policy, Rollup, Service, StatusChange, Trace, Transaction

__all__ = ["Agent", "Cost", "Fact", "Policy", "Price", "Rollup", "Service", "StatusChange", "Trace", "Transaction", "UnitPrice"]
