"""The views of the credits API: each parses the request, calls a service or selector, and replies."""

from credits.api.views.alerts import AlertViewSet
from credits.api.views.customers import CustomerViewSet, ExplanationViewSet
from credits.api.views.grants import GrantViewSet
from credits.api.views.holds import HoldViewSet
from credits.api.views.recurring_grants import RecurringGrantViewSet
from credits.api.views.transactions import TransactionViewSet

__all__ = [
    "AlertViewSet",
    "CustomerViewSet",
    "ExplanationViewSet",
    "GrantViewSet",
    "HoldViewSet",
    "RecurringGrantViewSet",
    "TransactionViewSet",
]
