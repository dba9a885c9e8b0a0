"""Periodic jobs of events. Each is a command as well, for installations that use cron. Sending isn't a job: delivery_loop.py does it."""

from procrastinate.contrib.django import app

from kernel.events.services.clean_up import delete_old_events
from kernel.ledger.job_retries import RETRY

CLEAN_UP = "events.clean_up"


@app.periodic(cron="27 3 * * *")
@app.task(name=CLEAN_UP, queueing_lock=CLEAN_UP, retry=RETRY)
def clean_up_events(timestamp: int) -> int:
    """Daily: delete events older than 90 days and attempts older than 30. The number of rows deleted."""
    return sum(delete_old_events())
