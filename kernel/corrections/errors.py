"""Errors of corrections. Nothing has been posted when one of these is raised."""

from kernel.ledger.constraints import register_error, register_internal
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
register_internal(
    "corrections_request_state_check",
    "corrections_request_decided_check",
    "corrections_request_approved_check",
    "corrections_request_preview_check",
    "corrections_line_position_check",
    "corrections_line_position_key",
    "corrections_line_request_fkey",
    "corrections_entry_position_check",
    "corrections_entry_version_check",
    "corrections_entry_position_key",
    "corrections_entry_request_fkey",
    "corrections_comment_request_fkey",
    "corrections_evidence_request_fkey",
    "corrections_statechange_request_fkey",
    "corrections_threshold_unit_key",
    "corrections_threshold_amount_check",
    "corrections_threshold_amount_finite",
    "corrections_threshold_daily_amount_check",
    "corrections_threshold_daily_amount_finite",
    "corrections_entry_effect_finite",
)
