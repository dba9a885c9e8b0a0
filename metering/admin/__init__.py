"""The pages of the metering ledger."""

from metering.admin import agents, messages, pages, person_decisions, prices, traces, usage

__all__ = ["agents", "messages", "pages", "person_decisions", "prices", "traces", "usage"]
