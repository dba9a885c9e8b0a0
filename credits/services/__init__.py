"""The only writers of this ledger: one function for each change."""

from credits.services.consumption import consume, reinstate
from credits.services.expiry import expire_grants
from credits.services.grants import create_grant, delete_grant, void_grant
from credits.services.holds import capture_hold, expire_hold, expire_holds, place_hold, release_hold
from credits.services.recurrence import cancel_recurring_grant, create_recurring_grant, issue_due_grants, issue_recurring_grant
from credits.services.transactions import post_transaction, post_transactions, reverse_transaction

__all__ = [
    "cancel_recurring_grant",
    "capture_hold",
    "consume",
    "create_grant",
    "create_recurring_grant",
    "delete_grant",
    "expire_grants",
    "expire_hold",
    "expire_holds",
    "issue_due_grants",
    "issue_recurring_grant",
    "place_hold",
    "post_transaction",
    "post_transactions",
    "reinstate",
    "release_hold",
    "reverse_transaction",
    "void_grant",
]
