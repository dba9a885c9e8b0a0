"""Deletes what the back office keeps for a limited time only: exports with their files, and sign-ins."""

from django.utils import timezone

from backoffice.exports.jobs import MAX_AGE as EXPORT_MAX_AGE
from backoffice.exports.jobs import file_of
from backoffice.models import Export, SignIn
from backoffice.sign_in import MAX_AGE as SIGN_IN_MAX_AGE


def delete_old_rows() -> int:
    """The number of rows deleted."""
    exports = list(Export.objects.filter(created_at__lt=timezone.now() - EXPORT_MAX_AGE))
    for export in exports:
        file_of(export).unlink(missing_ok=True)
        export.delete()
    sign_ins, _ = SignIn.objects.filter(at__lt=timezone.now() - SIGN_IN_MAX_AGE).delete()
    return len(exports) + sign_ins
