"""The only writers of this ledger: one function for each change."""

from credits.services.consumption import consume, reinstate
from credits.services.expiry import expire_grants
from credits.services.expiry_announcements import announce_expiring_grants
from credits.services.grants import create_grant, delete_grant, void_grant
from credits.services.holds import capture_hold, expire_hold, expire_holds, extend_hold, place_hold, release_hold
from credits.services.imported import (
    KINDS_WITH_KEY,
    create_imported_grants,
    delete_run_grants,
    digest_on,
    grant_line,
    imported_digest,
    name_grant,
    record_imported_many,
    reverse_run,
    transaction_line,
)
from credits.services.rebuild import rebuild_grants
from credits.services.recurring_grants import (
    cancel_recurring_grant,
    cancel_recurring_grants_of_run,
    create_imported_recurring_grants,
    create_recurring_grant,
    issue_due_grants,
    issue_recurring_grant,
    recurring_grant_as_made,
    recurring_grant_line,
)
from credits.services.settings import set_balance_alert, set_policy
from credits.services.transactions import record_transaction, record_transactions, reverse_transaction

__all__ = [
    "KINDS_WITH_KEY",
    "announce_expiring_grants",
    "cancel_recurring_grant",
    "cancel_recurring_grants_of_run",
    "capture_hold",
    "consume",
    "create_grant",
    "create_imported_grants",
    "create_imported_recurring_grants",
    "create_recurring_grant",
    "delete_grant",
    "delete_run_grants",
    "digest_on",
    "expire_grants",
    "expire_hold",
    "expire_holds",
    "extend_hold",
    "grant_line",
    "imported_digest",
    "issue_due_grants",
    "issue_recurring_grant",
    "name_grant",
    "place_hold",
    "rebuild_grants",
    "record_imported_many",
    "record_transaction",
    "record_transactions",
    "recurring_grant_as_made",
    "recurring_grant_line",
    "reinstate",
    "release_hold",
    "reverse_run",
    "reverse_transaction",
    "set_balance_alert",
    "set_policy",
    "transaction_line",
    "void_grant",
]
