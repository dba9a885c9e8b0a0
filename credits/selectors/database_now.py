"""The database's clock in querysets: what a list shows as overdue or due is decided by the same clock as what a posting does."""

from django.db.models import DateField, DateTimeField
from django.db.models.expressions import RawSQL

# Subqueries, because PostgreSQL would otherwise call the function for every row.
NOW = RawSQL("(SELECT ledger_now())", (), output_field=DateTimeField())
TODAY = RawSQL("(SELECT ledger_day(ledger_now()))", (), output_field=DateField())
