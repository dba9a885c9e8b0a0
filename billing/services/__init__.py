"""The only code that writes the billing book. Each service returns what it did, or raises a LedgerError and has done nothing."""

from billing.services.bulk import encode_import, import_digest, record_imported_many, reverse_run
from billing.services.catalogue import KEEP, define_type, set_floor, set_policy
from billing.services.transactions import record_transaction, record_transactions, reverse_transaction

__all__ = [
    "KEEP",
    "define_type",
    "encode_import",
    "import_digest",
    "record_imported_many",
    "record_transaction",
    "record_transactions",
    "reverse_run",
    "reverse_transaction",
    "set_floor",
    "set_policy",
]
