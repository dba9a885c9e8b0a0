"""The admin's ground for every ledger: pages that read everything and write nothing, and how they show it."""

from kernel.ledger.admin import runs
from kernel.ledger.admin.pages import LedgerAdmin, Section

__all__ = ["LedgerAdmin", "Section", "runs"]
