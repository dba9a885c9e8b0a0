"""The query parameters of the metering API."""

from datetime import datetime, timedelta
from typing import Any

from kernel.api.fields import Choice, Currency, Identifier, Text, Timestamp, Whole
from kernel.api.problems import FieldProblem, Invalid, Refused
from kernel.api.serializers import Query
from kernel.api.spans import Until
from metering.api.dialect import dialect, spending_rule_dialect
from metering.choices import AgentStatus, Grain, Status
from metering.rules.choices import RuleStatus
from metering.selectors.usage import DAY, HOUR, MONTH, MOST_POINTS, STEPS, count_points, end_of, start_of, start_of_month

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90), "all": None}
# A rule's id, or its number as people write it.
RULE_REFERENCE = "^(RL-[0-9]{3,9}|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$"
# What a reply about rules may include.
INCLUDES = ("parameters", "conditions", "agents", "services", "transactions")


class MeteringQuery(Query):
    dialect = dialect


class PageQuery(MeteringQuery):
    limit = Whole(min_value=1, max_value=100, required=False, default=20, wire_name="page[limit]")
    after = Text(required=False, max_length=1000, wire_name="page[after]")
    before = Text(required=False, max_length=1000, wire_name="page[before]")


class TransactionQuery(PageQuery):
    sort = Choice(("created_at", "-created_at"), required=False, default="-created_at")
    status = Choice(Status.values, required=False, wire_name="filter[status]")
    service = Text(required=False, wire_name="filter[service]", description="The service's name.")
    agent = Identifier(required=False, wire_name="filter[agent]", description="The agent's id.")
    trace = Identifier(required=False, wire_name="filter[trace]", description="The trace's id.")
    rule = Text(
        required=False,
        pattern=RULE_REFERENCE,
        wire_name="filter[rule]",
        description="A spending rule's id or its number, RL-001: transactions on which it decided.",
    )
    customer = Text(required=False, wire_name="filter[customer]", description="What transactions name as customerId.")
    period = Choice(PERIODS, required=False, wire_name="filter[time_period]")
    since = Timestamp(days=True, required=False, wire_name="filter[from_date]")
    until = Until(days=True, required=False, wire_name="filter[to_date]", description="Excluded; a bare day counts as a whole.")


class ServiceQuery(PageQuery):
    name = Text(required=False, wire_name="filter[name]")


class TraceQuery(PageQuery):
    external_id = Text(required=False, wire_name="filter[external_id]", description="The traceExternalId that transactions named.")


class PriceQuery(PageQuery):
    service_name = Text(required=False, wire_name="filter[service]")
    action_name = Text(required=False, wire_name="filter[action]")
    resource_name = Text(required=False, wire_name="filter[resource]", description="The resource or model that the price names.")
    at = Timestamp(required=False, wire_name="filter[active_at]", description="Only the prices that are valid at this moment.")


class BatchQuery(MeteringQuery):
    reply = Choice(("full", "ids"), required=False, default="full", description="ids: of each item no more than its transaction's id.")


class AgentQuery(PageQuery):
    name = Text(required=False, wire_name="filter[name]")
    status = Choice(AgentStatus.values, required=False, wire_name="filter[status]")


class Includes(Text):
    """Names of related rows, separated by commas."""

    def parse_text(self, text: str) -> Any:
        names = text.split(",") if text else []
        if any(name not in INCLUDES for name in names):
            raise Refused("unknown_choice", choices=list(INCLUDES))
        return frozenset(names)

    def schema(self) -> dict[str, Any]:
        name = "|".join(INCLUDES)
        return {"type": "string", "pattern": f"^(({name})(,({name}))*)?$"}


class RuleQuery(Query):
    dialect = spending_rule_dialect

    include = Includes(required=False, description=f"Some of {', '.join(INCLUDES)}, separated by commas.")

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        return values | {"include": values["include"] or frozenset()}


class RulePageQuery(Query):
    dialect = spending_rule_dialect

    limit = Whole(min_value=1, max_value=100, required=False, default=20, wire_name="page[limit]")
    after = Text(required=False, max_length=1000, wire_name="page[after]")
    before = Text(required=False, max_length=1000, wire_name="page[before]")


class ExecutionQuery(RulePageQuery):
    decision = Choice(("ALLOWED", "DENIED"), required=False, wire_name="filter[decision]")


class RuleListQuery(RuleQuery, RulePageQuery):
    status = Choice(RuleStatus.values, required=False, wire_name="filter[status]")
    agent = Identifier(required=False, wire_name="filter[agent]", description="The agent's id: rules that name it or apply to all agents.")


class UsageQuery(MeteringQuery):
    period = Choice(PERIODS, required=False, wire_name="filter[time_period]", description="30d, unless dates are given.")
    since = Timestamp(days=True, required=False, wire_name="filter[from_date]", description="Rounded down to its hour.")
    until = Until(days=True, required=False, wire_name="filter[to_date]", description="Excluded; rounded up to its hour.")
    agent = Identifier(required=False, wire_name="filter[agent]", description="The agent's id.")
    service = Text(required=False, wire_name="filter[service]", description="The service's name.")


class ChartQuery(UsageQuery):
    interval = Choice(("hour", "day", "month"), required=False, description="By hour up to 2 days, by day up to 1,500, then by month.")


class LeaderQuery(UsageQuery):
    currency = Currency(required=False, default="USD", wire_name="filter[currency]", description="What is ranked by.")
    limit = Whole(min_value=1, max_value=100, required=False, default=10, wire_name="page[limit]")


def hour_range(query: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """The world time that a query of usage asks for, in whole hours; no `since` means from the first day. Raises Invalid."""
    until = end_of(min(query["until"] or now, now), HOUR)
    period = query["period"] or (None if query["since"] else "30d")
    length = PERIODS[period] if period else None
    since = [moment for moment in (query["since"], until - length if length else None) if moment is not None]
    begin = start_of(max(since), HOUR) if since else None
    if begin is not None and begin >= until:
        raise Invalid([FieldProblem(("filter[to_date]",), "too_early", {}, query["until"])], place="query")
    return {"since": begin, "until": until}


def chart_range(query: dict[str, Any], *, span: dict[str, Any], first_day: datetime | None) -> dict[str, Any]:
    """The span of a chart in whole steps, and its step: `grain`. Without an interval in the query it is the hour up to two days, then the
    day, and where there would be too many days the month. Raises Invalid for an interval that leads to too many points."""
    since, until = span["since"] or first_day or span["until"] - DAY, span["until"]
    grain = Grain(query["interval"]) if query["interval"] in Grain.values else None
    if grain is None and query["interval"] is None:
        grain = Grain.HOUR if until - since <= 2 * DAY else Grain.DAY
    if grain is None or (query["interval"] is None and count_points(since, until, grain=grain) > MOST_POINTS):
        return {"since": start_of_month(since), "until": end_of(until, DAY), "grain": MONTH}
    if count_points(since, until, grain=grain) > MOST_POINTS:
        raise Invalid([FieldProblem(("interval",), "too_many_points", {"max": MOST_POINTS}, query["interval"])], place="query")
    return {"since": start_of(since, STEPS[grain]), "until": end_of(until, STEPS[grain]), "grain": grain}


def book_time_range(query: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """The book time that a query asks for: its period and its dates, whichever is narrower."""
    length = PERIODS[query["period"]] if query["period"] else None
    since = [moment for moment in (query["since"], now - length if length else None) if moment is not None]
    return {"since": max(since, default=None), "until": query["until"]}
