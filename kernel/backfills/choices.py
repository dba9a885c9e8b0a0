"""The states of a backfill run, and of a file that was uploaded in the back office."""

from django.db import models


class RunState(models.TextChoices):
    """planned -> running <-> paused -> finished; interrupted if it was stopped; undoing -> undone by an undo."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    UNDOING = "undoing"
    UNDONE = "undone"


# The states in which rows remain to be posted.
MAY_APPLY = (RunState.PLANNED, RunState.RUNNING, RunState.PAUSED, RunState.INTERRUPTED)
# The states in which posted rows may be undone. UNDOING is an undo that was interrupted.
MAY_UNDO = (RunState.FINISHED, RunState.INTERRUPTED, RunState.PAUSED, RunState.RUNNING, RunState.UNDOING)


class UploadState(models.TextChoices):
    """planning -> planned or refused; planned -> (requested ->) applying <-> paused -> applied;
    applied -> (undo_requested ->) undoing -> undone.

    stopped: the work ended before its end, and a person must look.
    """

    PLANNING = "planning", "Being planned"
    REFUSED = "refused", "Not planned"
    PLANNED = "planned", "Planned"
    REQUESTED = "requested", "Waits for approval"
    APPLYING = "applying", "Being posted"
    PAUSED = "paused", "Paused"
    STOPPED = "stopped", "Stopped"
    APPLIED = "applied", "Posted"
    UNDO_REQUESTED = "undo_requested", "Undo waits for approval"
    UNDOING = "undoing", "Being taken back"
    UNDONE = "undone", "Taken back"


# The states in which a background job has work to do.
WORKING = (UploadState.PLANNING, UploadState.APPLYING, UploadState.UNDOING)
# Those in which a file may be planned (again): nothing of it stands in the ledger.
MAY_PLAN = (UploadState.REFUSED, UploadState.PLANNED, UploadState.UNDONE)
MAY_REQUEST_UNDO = (UploadState.APPLIED, UploadState.PAUSED, UploadState.STOPPED)
WAITING_STATES = (UploadState.REQUESTED, UploadState.UNDO_REQUESTED)
# The file is of no more use to the work.
ENDED = (UploadState.REFUSED, UploadState.PLANNED, UploadState.APPLIED, UploadState.UNDONE)


class StepName(models.TextChoices):
    """What happened to an uploaded file, for the record."""

    UPLOADED = "uploaded", "uploaded the file"
    PLANNED = "planned", "requested a plan"
    APPLY = "apply", "posted it"
    REQUEST_APPLY = "request_apply", "requested approval to post it"
    UNDO = "undo", "took it back"
    REQUEST_UNDO = "request_undo", "requested approval to take it back"
    APPROVED = "approved", "approved"
    REJECTED = "rejected", "rejected"
    WITHDRAWN = "withdrawn", "withdrew the request"
    CANCELLED = "cancelled", "cancelled the plan"
    PAUSED = "paused", "paused it"
    CONTINUED = "continued", "let it go on"
    FILE_DELETED = "file_deleted", "deleted the file, whose time was over"
