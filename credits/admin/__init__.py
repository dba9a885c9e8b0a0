"""The pages of the credits ledger."""

from credits.admin import pages
from credits.admin.pages import unit_of

__all__ = ["pages", "unit_of"]
