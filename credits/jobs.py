"""Periodic jobs; each is also a command for cron.

Results don't depend on when they run: expired credit and overdue holds are never counted as available, and a period's grant is issued in
full however late. So they may run at any time, twice at once, and after any outage.
"""

from procrastinate.contrib.django import app

from credits import services
from kernel.ledger.job_retries import RETRY

ANNOUNCE_EXPIRING = "credits.announce_expiring_credits"
EXPIRE_CREDITS = "credits.expire_credits"
EXPIRE_HOLDS = "credits.expire_holds"
ISSUE_RECURRING_CREDITS = "credits.issue_recurring_credits"


@app.periodic(cron="5 0 * * *")
@app.task(name=EXPIRE_CREDITS, queueing_lock=EXPIRE_CREDITS, retry=RETRY)
def expire_credits(timestamp: int) -> int:
    """Daily at 00:05 UTC: debit what is left of grants past their last day. Returns the number of grants debited."""
    batches = services.expire_grants(actor=f"job:{EXPIRE_CREDITS}", request_id=f"{EXPIRE_CREDITS}:{timestamp}")
    return sum(closing.is_new for batch in batches for closing in batch)


@app.periodic(cron="1 * * * *")
@app.task(name=ISSUE_RECURRING_CREDITS, queueing_lock=ISSUE_RECURRING_CREDITS, retry=RETRY)
def issue_recurring_credits(timestamp: int) -> int:
    """Hourly: issue what is due of recurring grants. Returns the number of grants issued."""
    issued = services.issue_due_grants(actor=f"job:{ISSUE_RECURRING_CREDITS}", request_id=f"{ISSUE_RECURRING_CREDITS}:{timestamp}")
    return sum(len(grants) for grants in issued)


@app.periodic(cron="*/10 * * * *")
@app.task(name=EXPIRE_HOLDS, queueing_lock=EXPIRE_HOLDS, retry=RETRY)
def expire_holds(timestamp: int) -> int:
    """Every ten minutes: close overdue holds. Returns the number of holds closed."""
    ended = services.expire_holds(actor=f"job:{EXPIRE_HOLDS}", request_id=f"{EXPIRE_HOLDS}:{timestamp}")
    return sum(hold.is_new for hold in ended)


@app.periodic(cron="10 * * * *")
@app.task(name=ANNOUNCE_EXPIRING, queueing_lock=ANNOUNCE_EXPIRING, retry=RETRY)
def announce_expiring_credits(timestamp: int) -> int:
    """Hourly: write the events of grants that expire soon. Returns the number of events."""
    return sum(services.announce_expiring_grants())
