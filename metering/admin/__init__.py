"""The pages of the metering ledger."""

from metering.admin import decisions, pages

__all__ = ["decisions", "pages"]
