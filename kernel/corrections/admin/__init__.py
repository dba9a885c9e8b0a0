"""The pages of corrections: asking for one, and the inbox of those that wait for an answer."""

from kernel.corrections.admin.request_admin import CorrectionRequestAdmin

__all__ = ["CorrectionRequestAdmin"]
