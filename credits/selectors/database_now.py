"""The database's clock: what a list filters, adds up or shows as due is decided by the same clock as what a posting does.

Only the status shown of one row (`status_today` in selectors/grants.py, `status_now` in kernel/ledger/holds.py) goes by the server's clock,
so that a page needs no query for each row. Nothing is decided by it.
"""

from datetime import datetime

from django.db.models import DateField
from django.db.models.expressions import RawSQL

from kernel.ledger import queries

# A subquery, because PostgreSQL would otherwise call the function for every row.
TODAY = RawSQL("(SELECT ledger_day(ledger_now()))", (), output_field=DateField())


def database_now() -> datetime:
    """The present moment by the database's clock. One query."""
    now: datetime = queries.fetch_rows("SELECT ledger_now() AS now")[0].now
    return now
