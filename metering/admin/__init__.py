"""The pages of the metering ledger."""

from metering.admin import agents, decisions, messages, pages, prices, usage

__all__ = ["agents", "decisions", "messages", "pages", "prices", "usage"]
