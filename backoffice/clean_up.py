"""Deletes what the back office keeps for a limited time only: exports with their files, uploaded files, and sign-ins."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from backoffice.exports.background_workbooks import MAX_AGE as EXPORT_MAX_AGE
from backoffice.exports.background_workbooks import path_of
from backoffice.models import Export, SignIn
from backoffice.staff.sign_in import MAX_AGE as SIGN_IN_MAX_AGE
from kernel.backfills.uploads.stored_files import delete_old_files

NAME = "backoffice.clean_up"


def delete_old_rows() -> int:
    """The number of rows, and of uploaded files, deleted."""
    exports = list(Export.objects.filter(created_at__lt=timezone.now() - EXPORT_MAX_AGE))
    for export in exports:
        path_of(export).unlink(missing_ok=True)
        export.delete()
    sign_ins, _ = SignIn.objects.filter(at__lt=timezone.now() - SIGN_IN_MAX_AGE).delete()
    uploads = delete_old_files(before=timezone.now() - timedelta(days=settings.BACKFILL_FILE_DAYS), actor=f"job:{NAME}")
    return len(exports) + sign_ins + uploads
