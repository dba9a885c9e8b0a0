"""The states of a backfill run."""

from django.db import models


class RunState(models.TextChoices):
    """planned -> running <-> paused -> finished; interrupted wherever it was stopped; undoing -> undone once it is taken back."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    UNDOING = "undoing"
    UNDONE = "undone"


# A run in one of these has a file to go on with.
MAY_APPLY = (RunState.PLANNED, RunState.RUNNING, RunState.PAUSED, RunState.INTERRUPTED)
# Rows of a run in one of these may be taken back: UNDOING is an undo that was cut short.
MAY_UNDO = (RunState.FINISHED, RunState.INTERRUPTED, RunState.PAUSED, RunState.RUNNING, RunState.UNDOING)
