"""The URLs of the billing API."""

from django.urls import path

from billing.api.views import AgentViewSet, HoldViewSet, TransactionViewSet, TypeViewSet, WalletViewSet

urlpatterns = [
    path("v1/billing/transactions", TransactionViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/billing/transactions/batch", TransactionViewSet.as_view({"post": "record_batch"})),
    path("v1/billing/transactions/<uuid:transaction_id>", TransactionViewSet.as_view({"get": "retrieve"})),
    path("v1/billing/transactions/<uuid:transaction_id>/reverse", TransactionViewSet.as_view({"post": "reverse"})),
    path("v1/billing/transaction-types", TypeViewSet.as_view({"get": "list"})),
    path("v1/billing/wallet", WalletViewSet.as_view({"get": "balance"})),
    path("v1/billing/wallet/alert", WalletViewSet.as_view({"put": "set_alert"})),
    path("v1/billing/wallet/statement", WalletViewSet.as_view({"get": "statement"})),
    path("v1/billing/wallet/holds", HoldViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/billing/wallet/holds/<uuid:hold_id>", HoldViewSet.as_view({"get": "retrieve"})),
    path("v1/billing/wallet/holds/<uuid:hold_id>/capture", HoldViewSet.as_view({"post": "capture"})),
    path("v1/billing/wallet/holds/<uuid:hold_id>/extend", HoldViewSet.as_view({"post": "extend"})),
    path("v1/billing/wallet/holds/<uuid:hold_id>/release", HoldViewSet.as_view({"post": "release"})),
    path("v1/billing/agents/<path:agent_id>/summary", AgentViewSet.as_view({"get": "summary"})),
]
