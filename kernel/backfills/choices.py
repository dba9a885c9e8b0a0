"""The states of a backfill run."""

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
