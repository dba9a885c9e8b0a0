"""Periodic jobs of spending rules. They are one command as well, for installations that use cron."""

from procrastinate.contrib.django import app

from kernel.ledger.job_retries import RETRY
from metering.rules import services

SEED = "rules.seed_measures"
CLEAN = "rules.clean_counters"


@app.periodic(cron="* * * * *")
@app.task(name=SEED, queueing_lock=SEED, retry=RETRY)
def seed_measures(timestamp: int) -> int:
    """Every minute: count the history that a new rule left to the job. The number of measures completed."""
    return services.seed_measures()


@app.periodic(cron="*/10 * * * *")
@app.task(name=CLEAN, queueing_lock=CLEAN, retry=RETRY)
def clean_counters(timestamp: int) -> int:
    """Every ten minutes: delete what left its window, and sums that nobody needs. The number of pages."""
    return services.clean_counters(actor=f"job:{CLEAN}")
