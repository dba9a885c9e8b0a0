"""Every read of the billing ledger. Functions take `tenant_id` by keyword and return that tenant's rows only. Nothing here writes."""

from billing.selectors.floors import below_floor_in_words, floor_allows, plan_floor_allows
from billing.selectors.holds import as_shown, get_hold, get_hold_after, list_holds, overdue_holds
from billing.selectors.statements import WalletStatement, get_statement
from billing.selectors.transaction_types import list_types, set_type_labels, type_labels
from billing.selectors.transactions import FILTERS, TRANSACTION_FIELDS, Rows, get_transaction, list_agent_totals, list_transactions
from billing.selectors.wallets import list_wallets, list_wallets_at

__all__ = [
    "FILTERS",
    "TRANSACTION_FIELDS",
    "Rows",
    "WalletStatement",
    "as_shown",
    "below_floor_in_words",
    "floor_allows",
    "get_hold",
    "get_hold_after",
    "get_statement",
    "get_transaction",
    "list_agent_totals",
    "list_holds",
    "list_transactions",
    "list_types",
    "list_wallets",
    "list_wallets_at",
    "overdue_holds",
    "plan_floor_allows",
    "set_type_labels",
    "type_labels",
]
