"""Scheduled jobs of the back office. Each is also a command, for deployments that use cron."""

from procrastinate.contrib.django import app

from backoffice import clean_up, credit_days
from kernel.ledger.job_retries import RETRY

CLOSE_CREDIT_DAYS = "backoffice.close_credit_days"
CLEAN_UP = clean_up.NAME


@app.periodic(cron="12 * * * *")
@app.task(name=CLOSE_CREDIT_DAYS, queueing_lock=CLOSE_CREDIT_DAYS, retry=RETRY)
def close_credit_days(timestamp: int) -> int:
    """Every hour: sum the credit of the days that are over. The number of days summed."""
    return credit_days.close_days()


@app.periodic(cron="42 3 * * *")
@app.task(name=CLEAN_UP, queueing_lock=CLEAN_UP, retry=RETRY)
def clean_up_office(timestamp: int) -> int:
    """Daily: delete old exports with their files, old uploaded files, and old sign-ins. The number deleted."""
    return clean_up.delete_old_rows()
