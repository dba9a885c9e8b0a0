"""Periodic jobs. Each is a command as well, for installations that use cron."""

from procrastinate.contrib.django import app

from kernel.ledger.job_retries import RETRY
from metering import services

CLOSE_STALE = "metering.close_stale_transactions"
COUNT_USAGE = "metering.count_usage"


@app.periodic(cron="*/10 * * * *")
@app.task(name=CLOSE_STALE, queueing_lock=CLOSE_STALE, retry=RETRY)
def close_stale(timestamp: int) -> int:
    """Every ten minutes: cancel what stayed authorized beyond its tenant's limit. The number of transactions cancelled."""
    closed = services.close_stale_transactions(actor=f"job:{CLOSE_STALE}", request_id=f"{CLOSE_STALE}:{timestamp}")
    return sum(closed.values())


@app.periodic(cron="* * * * *")
@app.task(name=COUNT_USAGE, queueing_lock=COUNT_USAGE, retry=RETRY)
def count_usage(timestamp: int) -> int:
    """Every minute: count what was recorded or changed, and count by new keys what was counted without them. The number counted."""
    counted = services.count_all_usage()
    services.backfill_keys()
    return counted
