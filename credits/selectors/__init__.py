"""Every read of this ledger. The tenant comes first; another tenant's row is not found."""

from credits.selectors.balances import customer_balances, usable_grants, with_unit
from credits.selectors.grants import get_grant, list_grants
from credits.selectors.transactions import get_transaction, list_transactions

__all__ = [
    "customer_balances",
    "get_grant",
    "get_transaction",
    "list_grants",
    "list_transactions",
    "usable_grants",
    "with_unit",
]
