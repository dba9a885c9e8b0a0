"""The only code that writes the billing book. Each service returns what it did, or raises a LedgerError and has done nothing."""

from billing.services.bulk import history_digest, history_line, record_history, reverse_history
from billing.services.catalogue import KEEP, define_type, set_floor, set_policy
from billing.services.transactions import record_transaction, record_transactions, reverse_transaction

__all__ = [
    "KEEP",
    "define_type",
    "history_digest",
    "history_line",
    "record_history",
    "record_transaction",
    "record_transactions",
    "reverse_history",
    "reverse_transaction",
    "set_floor",
    "set_policy",
]
