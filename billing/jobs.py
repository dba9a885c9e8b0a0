"""Periodic jobs; each is also a command for cron.

Results don't depend on when they run: an overdue hold reserves nothing, whether it was ended or not.
"""

from procrastinate.contrib.django import app

from billing import services
from kernel.ledger.job_retries import RETRY

EXPIRE_HOLDS = "billing.expire_holds"


@app.periodic(cron="*/10 * * * *")
@app.task(name=EXPIRE_HOLDS, queueing_lock=EXPIRE_HOLDS, retry=RETRY)
def expire_holds(timestamp: int) -> int:
    """Every ten minutes: end overdue holds. Returns how many have ended: the first of a wallet ends with all others of it."""
    holds = services.expire_holds(actor=f"job:{EXPIRE_HOLDS}", request_id=f"{EXPIRE_HOLDS}:{timestamp}")
    return sum(not hold.nothing_to_do for hold in holds)
