"""Periodic jobs of paying. Each is a command as well, for installations that use cron."""

from procrastinate.contrib.django import app

from kernel.ledger.job_retries import RETRY
from metering.paying import services

EXPIRE = "paying.expire_payments"
POST = "paying.post_collections"


@app.periodic(cron="* * * * *")
@app.task(name=EXPIRE, queueing_lock=EXPIRE, retry=RETRY)
def expire_payments(timestamp: int) -> int:
    """Every minute: close payments whose money is held no longer. The number of payments closed."""
    return services.expire_payments(actor=f"job:{EXPIRE}", request_id=f"{EXPIRE}:{timestamp}")


@app.periodic(cron="* * * * *")
@app.task(name=POST, queueing_lock=POST, retry=RETRY)
def post_collections(timestamp: int) -> int:
    """Every minute: post what payees have collected to their wallets. The number of revenues posted."""
    return services.post_collections(actor=f"job:{POST}", request_id=f"{POST}:{timestamp}")
