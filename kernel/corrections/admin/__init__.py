"""The pages of corrections: asking for one, and the inbox of those that wait for an answer."""

from kernel.ledger.corrections.admin.inbox import CorrectionRequestAdmin

__all__ = ["CorrectionRequestAdmin"]
