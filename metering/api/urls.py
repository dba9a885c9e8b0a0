"""The addresses of the metering API."""

from django.urls import path

from metering.api.views.accounts import AccountViewSet
from metering.api.views.agents import AgentViewSet, ServiceViewSet
from metering.api.views.batches import BatchViewSet
from metering.api.views.collecting import FacilitatorViewSet
from metering.api.views.near_duplicates import NearDuplicateViewSet
from metering.api.views.payments import PaymentViewSet
from metering.api.views.prices import PriceViewSet
from metering.api.views.rollups import RollupViewSet
from metering.api.views.spending_rules import SpendingRuleViewSet
from metering.api.views.traces import TraceViewSet
from metering.api.views.transactions import TransactionViewSet
from metering.api.views.usage_groups import UsageGroupsViewSet
from metering.api.views.usage_keys import UsageKeyViewSet

PAYMENT = "v1/transactions/<uuid:transaction_id>/payments/<uuid:payment_id>"

urlpatterns = [
    path("v1/transactions", TransactionViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/transactions/batch", BatchViewSet.as_view({"post": "batch"})),
    path("v1/transactions/complete/batch", BatchViewSet.as_view({"post": "complete"})),
    path("v1/transactions/costs/batch", BatchViewSet.as_view({"post": "costs"})),
    path("v1/transactions/facts/batch", BatchViewSet.as_view({"post": "facts"})),
    path("v1/transactions/near-duplicates", NearDuplicateViewSet.as_view({"get": "list"})),
    path("v1/transactions/<uuid:transaction_id>", TransactionViewSet.as_view({"get": "retrieve"})),
    path("v1/transactions/<uuid:transaction_id>/complete", TransactionViewSet.as_view({"post": "complete"})),
    path("v1/transactions/<uuid:transaction_id>/cancel", TransactionViewSet.as_view({"post": "cancel"})),
    path("v1/transactions/<uuid:transaction_id>/reauthorize", TransactionViewSet.as_view({"post": "reauthorize"})),
    path("v1/transactions/<uuid:transaction_id>/costs", TransactionViewSet.as_view({"get": "costs", "post": "add_cost"})),
    path("v1/transactions/<uuid:transaction_id>/payments", TransactionViewSet.as_view({"get": "payments"})),
    path(f"{PAYMENT}/capture", PaymentViewSet.as_view({"post": "capture"})),
    path(f"{PAYMENT}/extend", PaymentViewSet.as_view({"post": "extend"})),
    path(f"{PAYMENT}/release", PaymentViewSet.as_view({"post": "release"})),
    path("v1/transactions/<uuid:transaction_id>/facts", TransactionViewSet.as_view({"get": "facts", "post": "add_facts"})),
    path("v1/transactions/<uuid:transaction_id>/history", TransactionViewSet.as_view({"get": "history"})),
    path("v1/agents", AgentViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/agents/<uuid:agent_id>", AgentViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("v1/services", ServiceViewSet.as_view({"get": "list"})),
    path("v1/traces", TraceViewSet.as_view({"get": "list"})),
    path("v1/accounts/spend", AccountViewSet.as_view({"get": "spend"})),
    path("v1/prices", PriceViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/prices/quote", PriceViewSet.as_view({"post": "quote"})),
    path("v1/prices/<uuid:price_id>", PriceViewSet.as_view({"get": "retrieve"})),
    path("v1/prices/<uuid:price_id>/end", PriceViewSet.as_view({"post": "end"})),
    path("v1/traces/<uuid:trace_id>", TraceViewSet.as_view({"get": "retrieve"})),
    path("v1/spending-rules", SpendingRuleViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/spending-rules/evaluate", SpendingRuleViewSet.as_view({"post": "evaluate"})),
    path("v1/spending-rules/spend-limit-summary", SpendingRuleViewSet.as_view({"get": "spend_limit_summary"})),
    path("v1/spending-rules/<str:rule_id>", SpendingRuleViewSet.as_view({"get": "retrieve", "put": "update"})),
    path("v1/spending-rules/<str:rule_id>/archive", SpendingRuleViewSet.as_view({"post": "archive"})),
    path("v1/spending-rules/<str:rule_id>/restore", SpendingRuleViewSet.as_view({"post": "restore"})),
    path("v1/spending-rules/<str:rule_id>/parameters", SpendingRuleViewSet.as_view({"post": "add_parameter"})),
    path("v1/spending-rules/<str:rule_id>/parameters/<uuid:parameter_id>", SpendingRuleViewSet.as_view({"get": "parameter"})),
    path("v1/spending-rules/<str:rule_id>/usage", SpendingRuleViewSet.as_view({"get": "usage"})),
    path("v1/spending-rules/<str:rule_id>/executions", SpendingRuleViewSet.as_view({"get": "executions"})),
    path("v1/spending-rules/<str:rule_id>/conditions/<uuid:condition_id>", SpendingRuleViewSet.as_view({"get": "condition"})),
    path("v1/x402/supported", FacilitatorViewSet.as_view({"get": "supported"})),
    path("v1/x402/verify", FacilitatorViewSet.as_view({"post": "verify"})),
    path("v1/x402/settle", FacilitatorViewSet.as_view({"post": "settle"})),
    path("v1/x402/collections", FacilitatorViewSet.as_view({"get": "collections"})),
    path("v1/analytics/query", UsageGroupsViewSet.as_view({"get": "query_usage"})),
    path("v1/analytics/transactions", UsageGroupsViewSet.as_view({"get": "transactions"})),
    path("v1/analytics/keys", UsageKeyViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/analytics/keys/<uuid:key_id>/withdraw", UsageKeyViewSet.as_view({"post": "withdraw"})),
    path("v1/analytics/summary", RollupViewSet.as_view({"get": "summary"})),
    path("v1/analytics/chart", RollupViewSet.as_view({"get": "chart"})),
    path("v1/analytics/leaderboards", RollupViewSet.as_view({"get": "leaderboards"})),
]
