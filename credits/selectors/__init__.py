"""Every read of this ledger. The tenant comes first; another tenant's row is not found."""

from credits.selectors.alerts import list_balance_alerts
from credits.selectors.balances import customer_balances, preview_consumption, usable_grants, with_live_holds, with_unit
from credits.selectors.explanations import explain_customer, explain_grant
from credits.selectors.grants import count_due_grants, due_grants, due_totals, get_grant, list_grants
from credits.selectors.holds import get_hold, hold_after_call, hold_as_placed, list_holds, overdue_holds, with_lines
from credits.selectors.past_balances import customer_balance_at, grant_balance_at, tenant_balance_at
from credits.selectors.recurring_grants import due_recurring_grants, get_recurring_grant, grant_of_period, list_recurring_grants
from credits.selectors.transactions import get_transaction, list_transactions

__all__ = [
    "count_due_grants",
    "customer_balance_at",
    "customer_balances",
    "due_grants",
    "due_recurring_grants",
    "due_totals",
    "explain_customer",
    "explain_grant",
    "get_grant",
    "get_hold",
    "get_recurring_grant",
    "get_transaction",
    "grant_balance_at",
    "grant_of_period",
    "hold_after_call",
    "hold_as_placed",
    "list_balance_alerts",
    "list_grants",
    "list_holds",
    "list_recurring_grants",
    "list_transactions",
    "overdue_holds",
    "preview_consumption",
    "tenant_balance_at",
    "usable_grants",
    "with_lines",
    "with_live_holds",
    "with_unit",
]
