"""The pages of the metering ledger."""

from metering.admin import agents, decisions, pages, usage

__all__ = ["agents", "decisions", "pages", "usage"]
