"""The views of /v1/analytics/query and /transactions: usage by any dimensions, answered from the sums of `metering_usagesum`."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kernel.api.pagination import Page, page_of_groups
from kernel.api.problems import FieldProblem, Invalid, Refused
from kernel.api.schema import operation
from kernel.ledger.moments import END_OF_MOMENTS
from metering import selectors, services
from metering.api.filters import CountedTransactionsQuery, UsageGroupsQuery, question_of
from metering.api.serializers.replies import TransactionReply
from metering.api.serializers.usage_groups import UsageGroupsReply
from metering.api.views.base import MeteringViewSet
from metering.selectors import RowDict, usage_groups, usage_keys
from metering.selectors.usage_groups import UsageQuestion

TRANSACTIONS = "/v1/analytics/transactions"
# The columns of each measure.
COLUMNS = {"count": "transactions", "cost": "costs"}
REFUSES = ("key_not_counted",)


class UsageGroupsViewSet(MeteringViewSet):
    def counted_question(self, values: dict[str, Any]) -> UsageQuestion:
        """The question, once everything is counted that was recorded before it. Raises Invalid, KeyNotCounted, Busy."""
        tenant_id, now = self.caller.tenant_id, timezone.now()
        keys = usage_keys.list_usage_keys(tenant_id=tenant_id)
        numbers = {str(key): key.number for key in keys}
        question = question_of(values, tenant_id=tenant_id, parameters=self.http.GET.dict(), keys=numbers, now=now)
        usage_keys.check_counted(keys, names={*question.group_by, *question.filters}, since=question.since)
        if question.until <= now:
            self.wait_for_past(END_OF_MOMENTS)
        services.count_usage(tenant_id=tenant_id, seconds=services.COUNT_TIMEOUT_SECONDS)
        return question

    @operation(summary="Ask about usage", query=UsageGroupsQuery, reply=UsageGroupsReply, reads_past=True, refuses=REFUSES)
    def query_usage(self, request: HttpRequest) -> HttpResponse:
        """Counts, active costs and tokens of a span, by intervals of a time zone and by up to two dimensions. Everything that was recorded
        before the call is in the answer, and costs are as they stand now.

        A transaction with active costs in several currencies counts in each of them, and once over all; its tokens stand under the first
        of its currencies. Groups without a transaction are left out. `links.transactions` lists what a group is made of."""
        values = self.query(UsageGroupsQuery)
        question = self.counted_question(values)
        page = self.page_of_groups(question, limit=values["limit"], after=values["after"])
        shown = {COLUMNS.get(name) or _column_of(name) for name in values["measures"]} | {"starts_at", "group", "links"}
        rows = [row | {"links": {"transactions": address_of(question, row)}} for row in page.rows]
        links = {"self": request.get_full_path(), "next": page.next and next_page_address(request, question, page.next)}
        meta = {name: getattr(question, name) for name in ("since", "until", "interval", "clock")} | {
            "zone": str(question.zone),
            "page": {"limit": page.limit, "has_next": page.has_next},
        }
        data = [{name: value for name, value in row.items() if name in shown} for row in rows]
        return self.reply(UsageGroupsReply, {"data": data, "links": links, "meta": meta})

    def page_of_groups(self, question: UsageQuestion, *, limit: int, after: str | None) -> Page:
        """Raises Invalid for a cursor of another question."""
        scope = ":".join(
            str(getattr(question, name)) for name in ("tenant_id", "group_by", "interval", "since", "zone", "clock", "filters")
        )
        size = 1 + 3 * len(question.group_by)
        try:
            return page_of_groups(
                lambda place, count: usage_groups.list_usage(question, limit=count, after=place),
                limit=limit,
                scope=scope,
                key="place",
                size=size,
                after=after,
            )
        except Refused as refusal:
            raise Invalid([FieldProblem(("page[after]",), refusal.code, {}, after)], place="query") from refusal

    @operation(
        summary="List what usage is made of",
        query=CountedTransactionsQuery,
        reply=TransactionReply,
        paged=True,
        reads_past=True,
        refuses=REFUSES,
    )
    def transactions(self, request: HttpRequest) -> HttpResponse:
        """The transactions that a question with the same filters counts, newest first by its clock."""
        values = self.query(CountedTransactionsQuery)
        question = self.counted_question(values)
        place = {name: values[name] for name in ("limit", "after", "before")}
        key = (usage_groups.time_column(question), "transaction_id")
        return self.page(TransactionReply, usage_groups.query_transactions(question), key=key, written=self._transactions_of, **place)

    def _transactions_of(self, rows: list[RowDict]) -> list[RowDict]:
        found = selectors.get_transactions(tenant_id=self.caller.tenant_id, ids=[row["transaction_id"] for row in rows])
        return [found[row["transaction_id"]] for row in rows]


def _column_of(measure: str) -> str:
    """`input_tokens` of `inputTokens`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in measure)


def address_of(question: UsageQuestion, row: RowDict) -> str:
    """The address that lists the transactions of a group."""
    filters = {**question.filters, **row["group"]}
    absent = [name for name, value in filters.items() if value is None]
    parameters = {"clock": str(question.clock), "filter[from_date]": _text(row["since"]), "filter[to_date]": _text(row["until"])}
    parameters |= {f"filter[{name}]": value for name, value in filters.items() if value is not None}
    if absent:
        parameters["filter[absent]"] = ",".join(absent)
    return f"{TRANSACTIONS}?{urlencode(parameters, safe=':[],')}"


def next_page_address(request: HttpRequest, question: UsageQuestion, cursor: str) -> str:
    """The address of the next page: of the same span, also where that is counted from the present and the next hour has begun."""
    parameters = request.GET.copy()
    parameters.pop("filter[time_period]", None)
    parameters["filter[from_date]"], parameters["filter[to_date]"] = _text(question.since), _text(question.until)
    parameters["page[after]"] = cursor
    return f"{request.path}?{parameters.urlencode()}"


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
