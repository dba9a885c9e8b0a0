"""The only writers of this ledger: one function for each change."""

from credits.services.grants import create_grant, delete_grant, void_grant
from credits.services.transactions import post_transaction, post_transactions, reverse_transaction

__all__ = [
    "create_grant",
    "delete_grant",
    "post_transaction",
    "post_transactions",
    "reverse_transaction",
    "void_grant",
]
