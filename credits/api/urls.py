"""The addresses of the credits API."""

from django.urls import path

from credits.api.views import CustomerViewSet, GrantViewSet, TransactionViewSet

urlpatterns = [
    path("credit-transactions", TransactionViewSet.as_view({"get": "list", "post": "create"})),
    path("credit-transactions/batch", TransactionViewSet.as_view({"post": "batch"})),
    path("credit-transactions/<uuid:transaction_id>", TransactionViewSet.as_view({"get": "retrieve"})),
    path("credit-transactions/<uuid:transaction_id>/reverse", TransactionViewSet.as_view({"post": "reverse"})),
    path("credits", GrantViewSet.as_view({"get": "list", "post": "create"})),
    path("credits/<uuid:grant_id>", GrantViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("credits/<uuid:grant_id>/void", GrantViewSet.as_view({"post": "void"})),
    path("credits/<str:customer_id>/grants", CustomerViewSet.as_view({"get": "grants"})),
    path("credits/<str:customer_id>/balances", CustomerViewSet.as_view({"get": "balances"})),
]
