"""The pages of backfills: runs with their rejects, and files that staff upload, plan and have posted."""

from kernel.backfills.admin.run_admin import BackfillRejectAdmin, BackfillRunAdmin, BackfillShareAdmin
from kernel.backfills.admin.upload_admin import BackfillUploadAdmin, BackfillUploadStepAdmin

__all__ = ["BackfillRejectAdmin", "BackfillRunAdmin", "BackfillShareAdmin", "BackfillUploadAdmin", "BackfillUploadStepAdmin"]
