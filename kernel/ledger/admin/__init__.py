"""The admin's ground for every ledger: pages that read everything and write nothing, and how they show it."""

from kernel.ledger.admin.base import LedgerAdmin, Section

__all__ = ["LedgerAdmin", "Section"]
