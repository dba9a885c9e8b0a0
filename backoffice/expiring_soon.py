"""How long before its last day a grant counts as expiring soon, and what pages call that."""

from datetime import timedelta

SOON = timedelta(days=30)
EXPIRING_SOON = f"Expiring within {SOON.days} days"
