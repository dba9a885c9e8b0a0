"""The read-only admin that every ledger's admin builds on."""

from kernel.ledger.admin.base import LedgerAdmin
from kernel.ledger.admin.panels import Panel

__all__ = ["LedgerAdmin", "Panel"]
