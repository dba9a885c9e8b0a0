"""The pages of corrections: the form of a new request, the list of requests, and the page of one request."""

from kernel.corrections.admin.request_admin import CorrectionRequestAdmin

__all__ = ["CorrectionRequestAdmin"]
