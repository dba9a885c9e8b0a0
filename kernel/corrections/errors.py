"""What a correction is refused for. Nothing has been posted when one of these is raised."""

from kernel.ledger.constraints import register_error, register_internal
from kernel.ledger.errors import LedgerError


class CorrectionRefused(LedgerError):
    """The ledger refuses one of the rows' corrections. Facts: target_id, why (the ledger's own error)."""

    code = "correction_refused"


class PreviewMoved(LedgerError):
    """The book moved since the preview was looked at, so the entries would not be those that were agreed to. Facts: preview."""

    code = "preview_moved"


class NotWaiting(LedgerError):
    """The request was decided or withdrawn before. Facts: state."""

    code = "not_waiting"


class OwnRequest(LedgerError):
    """Nobody decides on what they asked for."""

    code = "own_request"


class NotTheAsker(LedgerError):
    """Only who asked can withdraw."""

    code = "not_the_asker"


class NothingToCorrect(LedgerError):
    """The correction would post no entry."""

    code = "nothing_to_correct"


class SeveralTenants(LedgerError):
    """The rows belong to more than one tenant's book, or to none that this member of staff may see. Facts: none."""

    code = "several_tenants"


class TooManyLines(LedgerError):
    """Facts: most."""

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
    "corrections_entry_effect_finite",
)
