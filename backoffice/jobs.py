"""Scheduled jobs of the back office. Each is also a command, for deployments that use cron."""

from procrastinate.contrib.django import app

from backoffice import clean_up
from backoffice.dashboard import day_sums
from kernel.ledger.job_retries import RETRY

CLOSE_DAYS = "backoffice.close_days"
CLEAN_UP = clean_up.NAME


@app.periodic(cron="12 * * * *")
@app.task(name=CLOSE_DAYS, queueing_lock=CLOSE_DAYS, retry=RETRY)
def close_days(timestamp: int) -> int:
    """Every hour: sum what was billed, granted and consumed on the days that are over. The number of days summed."""
    return day_sums.close_days()


@app.periodic(cron="42 3 * * *")
@app.task(name=CLEAN_UP, queueing_lock=CLEAN_UP, retry=RETRY)
def clean_up_office(timestamp: int) -> int:
    """Daily: delete old exports with their files, old uploaded files, and old sign-ins. The number deleted."""
    return clean_up.delete_old_rows()
