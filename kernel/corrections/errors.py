"""Errors of corrections. Nothing has been posted when one of these is raised."""

from kernel.ledger.database_errors import register_error
from kernel.ledger.errors import LedgerError


class CorrectionRefused(LedgerError):
    """The ledger refuses the correction of one row. Facts: target_id, cause (the ledger's own error)."""

    code = "correction_refused"


class PreviewMoved(LedgerError):
    """The correction would do something else than the preview that the person saw. Facts: preview (the new)."""

    code = "preview_moved"


class NotWaiting(LedgerError):
    """The request was already decided or withdrawn. Facts: state."""

    code = "not_waiting"


class OwnRequest(LedgerError):
    """The requester may not approve or reject the request."""

    code = "own_request"


class NotTheRequester(LedgerError):
    """Only the requester may withdraw the request."""

    code = "not_the_requester"


class NothingToCorrect(LedgerError):
    """The correction would post no entry."""

    code = "nothing_to_correct"


class SameRequestWaits(LedgerError):
    """The same correction of the same rows waits for approval already. Facts: request (its short name)."""

    code = "same_request_waits"


class SeveralTenants(LedgerError):
    """The rows belong to several tenants, or to one that this member of staff may not see."""

    code = "several_tenants"


class TooManyFiles(LedgerError):
    """More evidence files than one request may have. Facts: max."""

    code = "too_many_files"


class TooManyLines(LedgerError):
    """More rows than one request may correct. Facts: max."""

    code = "too_many_lines"


register_error("corrections_request_other_decides", OwnRequest)
