"""The tables of the credits ledger."""

from credits.models.grants import Consumption, CreditTransaction, Grant, RecurringGrant
from credits.models.holds import Hold, HoldCall, HoldEntry, HoldLine
from credits.models.settings import BalanceAlert, Policy

__all__ = [
    "BalanceAlert",
    "Consumption",
    "CreditTransaction",
    "Grant",
    "Hold",
    "HoldCall",
    "HoldEntry",
    "HoldLine",
    "Policy",
    "RecurringGrant",
]
