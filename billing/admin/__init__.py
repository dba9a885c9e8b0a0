"""The pages of the billing ledger."""

from billing.admin import pages, statements

__all__ = ["pages", "statements"]
