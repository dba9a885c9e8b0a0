"""The pages of the metering ledger."""

from metering.admin import agents, messages, pages, person_decisions, prices, usage

__all__ = ["agents", "messages", "pages", "person_decisions", "prices", "usage"]
