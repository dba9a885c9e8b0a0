"""The addresses of the credits API.

A customer's id is any text, percent-encoded; by the time an address comes here a slash in it is one of the path's own.
"""

from django.urls import path

from credits.api.views import (
    AlertViewSet,
    CustomerViewSet,
    ExplanationViewSet,
    GrantViewSet,
    HoldViewSet,
    RecurringGrantViewSet,
    TransactionViewSet,
)

urlpatterns = [
    path("credit-transactions", TransactionViewSet.as_view({"get": "list", "post": "create"})),
    path("credit-transactions/batch", TransactionViewSet.as_view({"post": "batch"})),
    path("credit-transactions/<uuid:transaction_id>", TransactionViewSet.as_view({"get": "retrieve"})),
    path("credit-transactions/<uuid:transaction_id>/reverse", TransactionViewSet.as_view({"post": "reverse"})),
    path("credit-schedules", RecurringGrantViewSet.as_view({"get": "list", "post": "create"})),
    path("credit-schedules/<uuid:recurring_grant_id>", RecurringGrantViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("credits", GrantViewSet.as_view({"get": "list", "post": "create"})),
    path("credits/balances", CustomerViewSet.as_view({"get": "account_balances"})),
    path("credits/<uuid:grant_id>", GrantViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("credits/<uuid:grant_id>/void", GrantViewSet.as_view({"post": "void"})),
    path("credits/<path:owner>/explain", ExplanationViewSet.as_view({"get": "explain"})),
    path("credits/<path:customer_id>/grants", CustomerViewSet.as_view({"get": "grants"})),
    path("credits/<path:customer_id>/balances", CustomerViewSet.as_view({"get": "balances"})),
    path("credits/<path:customer_id>/balance-alerts", AlertViewSet.as_view({"get": "list", "put": "set_alert"})),
    path("credits/<path:customer_id>/consume", CustomerViewSet.as_view({"post": "consume"})),
    path("credits/<path:customer_id>/consume/preview", CustomerViewSet.as_view({"get": "preview"})),
    path("credits/<path:customer_id>/reinstate", CustomerViewSet.as_view({"post": "reinstate"})),
    path("credits/<path:customer_id>/holds", HoldViewSet.as_view({"get": "list", "post": "create"})),
    path("credits/<path:customer_id>/holds/<uuid:hold_id>", HoldViewSet.as_view({"get": "retrieve"})),
    path("credits/<path:customer_id>/holds/<uuid:hold_id>/capture", HoldViewSet.as_view({"post": "capture"})),
    path("credits/<path:customer_id>/holds/<uuid:hold_id>/extend", HoldViewSet.as_view({"post": "extend"})),
    path("credits/<path:customer_id>/holds/<uuid:hold_id>/release", HoldViewSet.as_view({"post": "release"})),
]
