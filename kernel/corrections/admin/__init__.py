"""The pages of corrections: the form of a new request, the list of requests, and the page of one request."""

from kernel.corrections.admin.request_admin import CorrectionRequestAdmin
from kernel.corrections.admin.request_row_admins import CorrectionLineAdmin
from kernel.corrections.admin.threshold_admin import CorrectionThresholdAdmin

__all__ = ["CorrectionLineAdmin", "CorrectionRequestAdmin", "CorrectionThresholdAdmin"]
