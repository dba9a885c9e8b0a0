"""The pages of the metering ledger."""

from metering.admin import decisions, pages, usage

__all__ = ["decisions", "pages", "usage"]
