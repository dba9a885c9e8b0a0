"""The views of /v1/analytics/summary, /chart and /leaderboards: usage and spend, answered from the rollups (`metering_rollup`)."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kernel.api.schema import operation
from kernel.ledger.moments import END_OF_MOMENTS
from metering.api.filters import ChartQuery, LeaderQuery, RollupQuery, chart_range, hour_range
from metering.api.serializers.spend import ChartReply, LeaderboardsReply, SummaryReply
from metering.api.views.base import MeteringViewSet
from metering.selectors import rollups


class RollupViewSet(MeteringViewSet):
    def usage_filters(self, query: dict[str, Any]) -> dict[str, Any]:
        return {"tenant_id": self.caller.tenant_id, "agent_id": query["agent"], "service": query["service"]}

    def hour_range(self, query: dict[str, Any], *, now: datetime) -> dict[str, Any]:
        """The span of hours that the query names. Where it ends in the past, waits for the postings in flight: by world time any of them
        may count in it."""
        if query["until"] is not None and query["until"] <= now:
            self.wait_for_past(END_OF_MOMENTS)
        return hour_range(query, now=now)

    @operation(summary="Summarize usage and spend", query=RollupQuery, reply=SummaryReply, reads_past=True)
    def summary(self, request: HttpRequest) -> HttpResponse:
        """Counts and costs of a span of time, by the time of the transactions. Costs are the active ones, as they stand now. With a
        `filter[to_date]` in the past the answer waits for postings in flight; the header `Final-Until` says up to which moment everything
        that was recorded is counted."""
        query = self.query(RollupQuery)
        span = self.hour_range(query, now=timezone.now())
        return self.reply(SummaryReply, {"data": rollups.get_summary(**span, **self.usage_filters(query)), "meta": span})

    @operation(summary="Chart usage and spend", query=ChartQuery, reply=ChartReply, reads_past=True)
    def chart(self, request: HttpRequest) -> HttpResponse:
        """The same for each hour or day (UTC) of the span, empty ones too."""
        query = self.query(ChartQuery)
        whole = self.hour_range(query, now=timezone.now())
        first_day = rollups.get_first_day(tenant_id=self.caller.tenant_id) if query["period"] == "all" else None
        span = chart_range(query, span=whole, first_day=first_day)
        return self.reply(ChartReply, {"data": rollups.list_chart_points(**span, **self.usage_filters(query)), "meta": span})

    @operation(summary="Rank agents and services", query=LeaderQuery, reply=LeaderboardsReply, reads_past=True)
    def leaderboards(self, request: HttpRequest) -> HttpResponse:
        """The agents and services that cost most in one currency."""
        query = self.query(LeaderQuery)
        span = self.hour_range(query, now=timezone.now())
        asked = {**span, **self.usage_filters(query), "currency": query["currency"], "limit": query["limit"]}
        boards = {f"{by}s": rollups.list_leaders(by=by, **asked) for by in ("agent", "service")}
        return self.reply(LeaderboardsReply, {"currency": query["currency"], "meta": span, **boards})
