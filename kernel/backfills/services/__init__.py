"""The only code that writes rows of backfills: runs with their checkpoints, and uploaded files."""

from kernel.backfills.services.runs import (
    add_up_shares,
    advance_undo,
    begin_shares,
    begin_undo,
    create_run,
    finish,
    finish_undo,
    interrupt,
    pause_run,
    resume_run,
    save_checkpoint,
    save_share,
    start,
)

__all__ = [
    "add_up_shares",
    "advance_undo",
    "begin_shares",
    "begin_undo",
    "create_run",
    "finish",
    "finish_undo",
    "interrupt",
    "pause_run",
    "resume_run",
    "save_checkpoint",
    "save_share",
    "start",
]
