"""The addresses of the metering API."""

from rest_framework.routers import SimpleRouter

from metering.api.views.agents import AgentViewSet
from metering.api.views.analytics import AnalyticsViewSet
from metering.api.views.traces import TraceViewSet
from metering.api.views.transactions import TransactionViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("v1/transactions", TransactionViewSet, basename="metering-transaction")
router.register("v1/agents", AgentViewSet, basename="metering-agent")
router.register("v1/traces", TraceViewSet, basename="metering-trace")
router.register("v1/analytics", AnalyticsViewSet, basename="metering-analytics")

urlpatterns = router.urls
