"""The addresses of the metering API."""

from rest_framework.routers import SimpleRouter

from metering.api.views.agents import AgentViewSet
from metering.api.views.transactions import TransactionViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("v1/transactions", TransactionViewSet, basename="metering-transaction")
router.register("v1/agents", AgentViewSet, basename="metering-agent")

urlpatterns = router.urls
