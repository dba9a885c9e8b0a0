"""Periodic jobs of backfills. Each is a command as well, for installations that use cron."""

import subprocess
import sys
from pathlib import Path

from django.conf import settings
from procrastinate.contrib.django import app

from kernel.backfills.services.uploads import WORK
from kernel.ledger.job_retries import RETRY


@app.periodic(cron="* * * * *")
@app.task(name=WORK, queueing_lock=WORK, retry=RETRY)
def work_on_uploads(timestamp: int) -> int:
    """Every minute, and when somebody uploads a file or has one posted: the work on uploaded files. The process's exit code.

    In a process of its own: it forks readers, which threads don't survive, and what a file does to its memory ends with it.
    """
    program = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "work_on_uploads"]
    return subprocess.run(program, check=True).returncode  # noqa: S603
