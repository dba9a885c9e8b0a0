"""The only code that writes the billing ledger. Each service returns what it did, or raises a LedgerError and changed nothing."""

from billing.services.holds import capture_hold, expire_hold, expire_holds, extend_hold, place_hold, release_hold
from billing.services.imported import encode_import, record_imported_many, reverse_run
from billing.services.rebuild import rebuild_wallets
from billing.services.settings import UNCHANGED, set_alert, set_floor, set_policy
from billing.services.transaction_types import define_type
from billing.services.transactions import record_transaction, record_transactions, reverse_transaction

__all__ = [
    "UNCHANGED",
    "capture_hold",
    "define_type",
    "encode_import",
    "expire_hold",
    "expire_holds",
    "extend_hold",
    "place_hold",
    "rebuild_wallets",
    "record_imported_many",
    "record_transaction",
    "record_transactions",
    "release_hold",
    "reverse_run",
    "reverse_transaction",
    "set_alert",
    "set_floor",
    "set_policy",
]
