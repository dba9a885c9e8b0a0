"""The views of usage and spend, answered from the rollups."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kernel.api.schema import operation
from kernel.ledger.moments import END_OF_MOMENTS
from kernel.ledger.past_reads import wait_for_postings_before
from metering.api.filters import ChartQuery, LeaderQuery, UsageQuery, chart_range, hour_range
from metering.api.serializers.usage import ChartReply, LeaderboardsReply, SummaryReply
from metering.api.views.base import MeteringViewSet
from metering.selectors import usage


class AnalyticsViewSet(MeteringViewSet):
    def usage_filters(self, query: dict[str, Any]) -> dict[str, Any]:
        return {"tenant_id": self.caller.tenant_id, "agent_id": query["agent"], "service": query["service"]}

    def wait_for_past(self, query: dict[str, Any], *, now: datetime) -> datetime | None:
        """Where the span ends in the past, wait for the postings in flight: by world time any of them may count in it.

        Returns the moment up to which everything that was booked is counted; None for an answer about the present.
        """
        if query["until"] is None or query["until"] > now:
            return None
        return wait_for_postings_before(tenant_id=self.caller.tenant_id, instant=END_OF_MOMENTS)

    @operation(summary="Summarize usage and spend", query=UsageQuery, reply=SummaryReply)
    def summary(self, request: HttpRequest) -> HttpResponse:
        """Counts and costs of a span of time, by the time of the transactions. Costs are the active ones, as they stand now. With a
        `filter[to_date]` in the past the answer waits for postings in flight; the header `Final-Until` says up to which moment everything
        that was recorded is counted."""
        query = self.query(UsageQuery)
        now = timezone.now()
        span, final_until = hour_range(query, now=now), self.wait_for_past(query, now=now)
        reply = self.reply(SummaryReply, {"data": usage.get_summary(**span, **self.usage_filters(query)), "meta": span})
        return self.final_reply(reply, final_until)

    @operation(summary="Chart usage and spend", query=ChartQuery, reply=ChartReply)
    def chart(self, request: HttpRequest) -> HttpResponse:
        """The same for each hour or day (UTC) of the span, empty ones too."""
        query = self.query(ChartQuery)
        now = timezone.now()
        whole, final_until = hour_range(query, now=now), self.wait_for_past(query, now=now)
        first_day = usage.get_first_day(tenant_id=self.caller.tenant_id) if query["period"] == "all" else None
        span = chart_range(query, span=whole, first_day=first_day)
        reply = self.reply(ChartReply, {"data": usage.list_chart_points(**span, **self.usage_filters(query)), "meta": span})
        return self.final_reply(reply, final_until)

    @operation(summary="Rank agents and services", query=LeaderQuery, reply=LeaderboardsReply)
    def leaderboards(self, request: HttpRequest) -> HttpResponse:
        """The agents and services that cost most in one currency."""
        query = self.query(LeaderQuery)
        now = timezone.now()
        span, final_until = hour_range(query, now=now), self.wait_for_past(query, now=now)
        asked = {**span, **self.usage_filters(query), "currency": query["currency"], "limit": query["limit"]}
        boards = {f"{by}s": usage.list_leaders(by=by, **asked) for by in ("agent", "service")}
        reply = self.reply(LeaderboardsReply, {"currency": query["currency"], "meta": span, **boards})
        return self.final_reply(reply, final_until)
