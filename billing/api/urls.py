"""The addresses of the billing API."""

from django.urls import path

from billing.api.views import TransactionViewSet

urlpatterns = [
    path("v1/billing/transactions", TransactionViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/billing/transactions/<uuid:transaction_id>", TransactionViewSet.as_view({"get": "retrieve"})),
    path("v1/billing/transactions/<uuid:transaction_id>/reverse", TransactionViewSet.as_view({"post": "reverse"})),
]
