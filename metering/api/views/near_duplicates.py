"""The view of transactions that may have been recorded twice."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kernel.api.pagination import page_of_groups
from kernel.api.problems import FieldProblem, Invalid, Refused
from kernel.api.schema import operation
from kernel.ledger.moments import END_OF_MOMENTS
from metering import selectors, services
from metering.api.filters import NearDuplicateQuery, near_duplicate_question
from metering.api.serializers.near_duplicates import NearDuplicateReply
from metering.api.views.base import MeteringViewSet
from metering.selectors import RowDict
from metering.selectors.near_duplicates import NearDuplicateQuestion, list_near_duplicates


class NearDuplicateViewSet(MeteringViewSet):
    @operation(summary="List near-duplicates", query=NearDuplicateQuery, reply=NearDuplicateReply, paged=True, reads_past=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Pairs of transactions that are alike and happened at most `within_seconds` after one another, newest first: the same service,
        action, resource, model, agent, customer, outcome, qualifiers, request facts, active costs and tokens. Their keys, traces and
        metadata may differ. Of more than two each stands with the one before it. Nothing is wrong with them by itself: a caller who
        repeats a call under another key, or without one, records it twice.

        The last 24 hours, unless dates are given; 31 days at most."""
        values = self.query(NearDuplicateQuery)
        now = timezone.now()
        question = near_duplicate_question(values, tenant_id=self.caller.tenant_id, now=now)
        if question.until <= now:
            self.wait_for_past(END_OF_MOMENTS)
        services.count_usage(tenant_id=self.caller.tenant_id, seconds=services.COUNT_TIMEOUT_SECONDS)
        # What was asked, not the span, which ends with the present: the next page's goes on with that of this one.
        asked = [str(values[name]) for name in ("period", "since", "until", "within")]
        scope = f"{question.tenant_id}:near-duplicates:{asked}:{question.filters}"
        try:
            page = page_of_groups(
                lambda place, count: list_near_duplicates(question, limit=count, after=place),
                limit=values["limit"],
                scope=scope,
                key="place",
                size=2,
                after=values["after"],
            )
        except Refused as refusal:
            raise Invalid([FieldProblem(("page[after]",), refusal.code, {}, values["after"])], place="query") from refusal
        return self.page_reply(NearDuplicateReply, page, rows=_with_transactions(question, page.rows))


def _with_transactions(question: NearDuplicateQuestion, rows: list[RowDict]) -> list[dict[str, Any]]:
    ids = {row[name] for row in rows for name in ("earlier_id", "later_id")}
    found = selectors.get_transactions(tenant_id=question.tenant_id, ids=ids) if ids else {}
    return [{"apart": row["apart"], "alike": row, "earlier": found[row["earlier_id"]], "later": found[row["later_id"]]} for row in rows]
