"""The views of usage and spend, answered from the rollups."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kernel.api.schema import operation
from kernel.api.views import LedgerViewSet
from metering.api.dialect import dialect
from metering.api.filters import ChartQuery, LeaderQuery, UsageQuery, chart_range, hour_range
from metering.api.serializers.usage import ChartReply, LeaderboardsReply, SummaryReply
from metering.selectors import usage


class AnalyticsViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "metering"

    def usage_filters(self, query: dict[str, Any]) -> dict[str, Any]:
        return {"tenant_id": self.caller.tenant_id, "agent_id": query["agent"], "service": query["service"]}

    @operation(summary="Summarize usage and spend", query=UsageQuery, reply=SummaryReply)
    def summary(self, request: HttpRequest) -> HttpResponse:
        """Counts and costs of a span of time, by the time of the transactions. Costs are the active ones, as they stand now."""
        query = self.query(UsageQuery)
        span = hour_range(query, now=timezone.now())
        return self.reply(SummaryReply, {"data": usage.get_summary(**span, **self.usage_filters(query)), "meta": span})

    @operation(summary="Chart usage and spend", query=ChartQuery, reply=ChartReply)
    def chart(self, request: HttpRequest) -> HttpResponse:
        """The same for each hour or day (UTC) of the span, empty ones too."""
        query = self.query(ChartQuery)
        first_day = usage.get_first_day(tenant_id=self.caller.tenant_id) if query["period"] == "all" else None
        span = chart_range(query, span=hour_range(query, now=timezone.now()), first_day=first_day)
        return self.reply(ChartReply, {"data": usage.list_chart_points(**span, **self.usage_filters(query)), "meta": span})

    @operation(summary="Rank agents and services", query=LeaderQuery, reply=LeaderboardsReply)
    def leaderboards(self, request: HttpRequest) -> HttpResponse:
        """The agents and services that cost most in one currency."""
        query = self.query(LeaderQuery)
        span = hour_range(query, now=timezone.now())
        asked = {**span, **self.usage_filters(query), "currency": query["currency"], "limit": query["limit"]}
        boards = {f"{by}s": usage.list_leaders(by=by, **asked) for by in ("agent", "service")}
        return self.reply(LeaderboardsReply, {"currency": query["currency"], "meta": span, **boards})
