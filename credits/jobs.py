"""What is done by the clock; each is a command as well, for those who'd rather use cron.

None of them is waited for: expired credit and overdue holds count for nothing from their moment on, and a period's grant is issued whole
however late. So they may run at any time, twice at once, and after any outage.
"""

from procrastinate.contrib.django import app

from credits import services
from kernel.ledger.job_retries import RETRY

EXPIRE_CREDITS = "credits.expire_credits"
EXPIRE_HOLDS = "credits.expire_holds"
ISSUE_RECURRING_CREDITS = "credits.issue_recurring_credits"


@app.periodic(cron="5 0 * * *")
@app.task(name=EXPIRE_CREDITS, queueing_lock=EXPIRE_CREDITS, retry=RETRY)
def expire_credits(timestamp: int) -> int:
    """Daily, in the first minutes of a day in UTC: debit the rest of grants whose last day is over. The number of grants debited."""
    batches = services.expire_grants(actor=f"job:{EXPIRE_CREDITS}", request_id=f"{EXPIRE_CREDITS}:{timestamp}")
    return sum(row.outcome == "posted" for batch in batches for row in batch)


@app.periodic(cron="1 * * * *")
@app.task(name=ISSUE_RECURRING_CREDITS, queueing_lock=ISSUE_RECURRING_CREDITS, retry=RETRY)
def issue_recurring_credits(timestamp: int) -> int:
    """Every hour: issue the recurring grants that are due. The number of grants issued."""
    orders = services.issue_due_grants(actor=f"job:{ISSUE_RECURRING_CREDITS}", request_id=f"{ISSUE_RECURRING_CREDITS}:{timestamp}")
    return sum(len(grants) for grants in orders)


@app.periodic(cron="*/10 * * * *")
@app.task(name=EXPIRE_HOLDS, queueing_lock=EXPIRE_HOLDS, retry=RETRY)
def expire_holds(timestamp: int) -> int:
    """Every ten minutes: close holds whose time is over. The number of holds closed."""
    outcomes = services.expire_holds(actor=f"job:{EXPIRE_HOLDS}", request_id=f"{EXPIRE_HOLDS}:{timestamp}")
    return sum(outcome.outcome == "posted" for outcome in outcomes)
