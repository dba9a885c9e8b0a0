"""The query parameters of the metering API."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from kernel.api.fields import Choice, Currency, Identifier, Integer, Text, Timestamp
from kernel.api.problems import FieldProblem, Invalid, Refused
from kernel.api.query_fields import PageLimit, Until
from kernel.api.serializers import Query
from kernel.api.unknown_names import nearest, unknown_name
from metering.api.dialect import dialect, spending_rule_dialect
from metering.choices import DIMENSIONS, AgentStatus, Grain, KeyPlace, Outcome, Status, UsageClock
from metering.rules.choices import RuleStatus
from metering.selectors.near_duplicates import NearDuplicateQuestion
from metering.selectors.rollups import DAY, HOUR, MAX_POINTS, MONTH, STEPS, count_points, end_of, start_of, start_of_month
from metering.selectors.usage_groups import ALWAYS, INTERVALS, NEVER, TOKENS, UsageQuestion, get_first_usage

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90), "all": None}
# The periods of a question that reads every transaction.
NEAR_PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
# A rule's id, or its number as people write it.
RULE_REFERENCE = "^(RL-[0-9]{3,9}|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$"
# What a reply about rules may include.
INCLUDES = ("parameters", "conditions", "agents", "services", "transactions")

# What questions about usage may sum up.
MEASURES = (
    *("count", "cost", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"),
    *("inputAudioTokens", "outputAudioTokens", "reasoningTokens"),
)
GROUPS = (*DIMENSIONS, NEVER, *ALWAYS)
MAX_GROUPS = 2
MAX_SPAN = timedelta(days=3660)
# Without sums every transaction of the span is read; by traces there is a group for nearly each.
MAX_READ_SPAN = timedelta(days=31)
MAX_SPAN_BY_TRACE = timedelta(days=7)
KEY_FILTERS = tuple(f"filter[{place}." for place in KeyPlace.values)


class MeteringQuery(Query):
    dialect = dialect


class PageQuery(MeteringQuery):
    limit = PageLimit(wire_name="page[limit]")
    after = Text(required=False, max_length=1000, wire_name="page[after]")
    before = Text(required=False, max_length=1000, wire_name="page[before]")


class TransactionQuery(PageQuery):
    sort = Choice(("created_at", "-created_at", "occurred_at", "-occurred_at"), required=False, default="-created_at")
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
    period = Choice(PERIODS, required=False, wire_name="filter[time_period]", description="By createdAt.")
    since = Timestamp(days=True, required=False, wire_name="filter[from_date]", description="By createdAt.")
    until = Until(
        days=True, required=False, wire_name="filter[to_date]", description="By createdAt; excluded; a bare day counts as a whole."
    )
    occurred_since = Timestamp(days=True, required=False, wire_name="filter[occurred_from]", description="By occurredAt.")
    occurred_until = Until(
        days=True, required=False, wire_name="filter[occurred_to]", description="By occurredAt; excluded; a bare day counts as a whole."
    )


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

    limit = PageLimit(wire_name="page[limit]")
    after = Text(required=False, max_length=1000, wire_name="page[after]")
    before = Text(required=False, max_length=1000, wire_name="page[before]")


class ExecutionQuery(RulePageQuery):
    decision = Choice(("ALLOWED", "DENIED"), required=False, wire_name="filter[decision]")


class RuleListQuery(RuleQuery, RulePageQuery):
    status = Choice(RuleStatus.values, required=False, wire_name="filter[status]")
    agent = Identifier(required=False, wire_name="filter[agent]", description="The agent's id: rules that name it or apply to all agents.")


class RollupQuery(MeteringQuery):
    period = Choice(PERIODS, required=False, wire_name="filter[time_period]", description="30d, unless dates are given.")
    since = Timestamp(days=True, required=False, wire_name="filter[from_date]", description="Rounded down to its hour.")
    until = Until(days=True, required=False, wire_name="filter[to_date]", description="Excluded; rounded up to its hour.")
    agent = Identifier(required=False, wire_name="filter[agent]", description="The agent's id.")
    service = Text(required=False, wire_name="filter[service]", description="The service's name.")


class ChartQuery(RollupQuery):
    interval = Choice(("hour", "day", "month"), required=False, description="By hour up to 2 days, by day up to 1,500, then by month.")


class LeaderQuery(RollupQuery):
    currency = Currency(required=False, default="USD", wire_name="filter[currency]", description="What is ranked by.")
    limit = Integer(min_value=1, max_value=100, required=False, default=10, wire_name="page[limit]")


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
    if grain is None or (query["interval"] is None and count_points(since, until, grain=grain) > MAX_POINTS):
        return {"since": start_of_month(since), "until": end_of(until, DAY), "grain": MONTH}
    if count_points(since, until, grain=grain) > MAX_POINTS:
        raise Invalid([FieldProblem(("interval",), "too_many_points", {"max": MAX_POINTS}, query["interval"])], place="query")
    return {"since": start_of(since, STEPS[grain]), "until": end_of(until, STEPS[grain]), "grain": grain}


def book_time_range(query: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """The book time that a query asks for: its period and its dates, whichever is narrower."""
    length = PERIODS[query["period"]] if query["period"] else None
    since = [moment for moment in (query["since"], now - length if length else None) if moment is not None]
    return {"since": max(since, default=None), "until": query["until"]}


class Names(Text):
    """Names separated by commas."""

    def parse_text(self, text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if len(set(names)) < len(names):
            raise Refused("repeated")
        return names


class Zone(Text):
    """An IANA time zone."""

    def parse_text(self, text: str) -> ZoneInfo:
        if text not in zone_names():
            match = nearest(text, zone_names())
            raise Refused("unknown_zone", hint=f"; did you mean {match}?" if match else "")
        return ZoneInfo(text)


@cache
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


class DayOrMoment(Timestamp):
    """A moment, or a bare day, which is one of the query's own time zone."""

    def parse_text(self, text: str) -> Any:
        moment = self.parse(text)
        return moment.date() if len(text) == len("2024-01-31") else moment


class CountedQuery(MeteringQuery):
    """Which transactions are asked for."""

    open_names = KEY_FILTERS

    clock = Choice(
        UsageClock.values, required=False, default="occurred", description="The time that counts: of the call, or of its recording."
    )
    timezone = Zone(required=False, default=ZoneInfo("UTC"), example="Asia/Kolkata", description="An IANA time zone; UTC, unless given.")
    period = Choice(PERIODS, required=False, wire_name="filter[time_period]", description="30d, unless dates are given.")
    since = DayOrMoment(days=True, required=False, wire_name="filter[from_date]", description="A bare day is one of the time zone.")
    until = DayOrMoment(days=True, required=False, wire_name="filter[to_date]", description="Excluded; a bare day counts as a whole.")
    service = Text(required=False, wire_name="filter[service]", description="The service's name.")
    action = Text(required=False, wire_name="filter[action]")
    resource = Text(required=False, wire_name="filter[resource]")
    model = Text(required=False, wire_name="filter[model]")
    agent = Identifier(required=False, wire_name="filter[agent]", description="The agent's id.")
    customer = Text(required=False, wire_name="filter[customer]", description="What transactions name as customerId.")
    trace = Identifier(required=False, wire_name="filter[trace]", description="The trace's id.")
    currency = Currency(required=False, wire_name="filter[currency]")
    outcome = Choice(Outcome.values, required=False, wire_name="filter[outcome]")
    absent = Names(
        required=False,
        wire_name="filter[absent]",
        description="Dimensions, separated by commas, that a transaction has no value of.",
    )


class UsageGroupsQuery(CountedQuery):
    measures = Names(required=False, description=f"Some of {', '.join(MEASURES)}, separated by commas; all, unless given.")
    group_by = Names(
        required=False,
        wire_name="group_by",
        description=f"Up to two of {', '.join(GROUPS)} and declared keys (qualifiers.<key>, metadata.<key>), separated by commas. A "
        "declared key is a filter as well: filter[qualifiers.<key>].",
    )
    interval = Choice(INTERVALS, required=False, description="Of the time zone; the whole span together, unless given.")
    limit = Integer(min_value=1, max_value=1000, required=False, default=100, wire_name="page[limit]")
    after = Text(required=False, max_length=4000, wire_name="page[after]")

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        measures = values["measures"] or MEASURES
        for name in measures:
            if name not in MEASURES:
                raise Refused("unknown_item", field="measures", **_unknown(name, MEASURES))
        return values | {"measures": measures}


class CountedTransactionsQuery(CountedQuery):
    limit = PageLimit(wire_name="page[limit]")
    after = Text(required=False, max_length=1000, wire_name="page[after]")
    before = Text(required=False, max_length=1000, wire_name="page[before]")


class NearDuplicateQuery(MeteringQuery):
    period = Choice(NEAR_PERIODS, required=False, wire_name="filter[time_period]", description="24h, unless dates are given.")
    since = Timestamp(days=True, required=False, wire_name="filter[from_date]", description="By occurredAt of the later one.")
    until = Until(days=True, required=False, wire_name="filter[to_date]", description="Excluded; a bare day counts as a whole.")
    service = Text(required=False, wire_name="filter[service]", description="The service's name.")
    agent = Identifier(required=False, wire_name="filter[agent]", description="The agent's id.")
    customer = Text(required=False, wire_name="filter[customer]", description="What transactions name as customerId.")
    within = Integer(
        min_value=1, max_value=86_400, required=False, default=60, wire_name="within_seconds", description="How far apart at most."
    )
    limit = PageLimit(wire_name="page[limit]")
    after = Text(required=False, max_length=1000, wire_name="page[after]")


def near_duplicate_question(query: dict[str, Any], *, tenant_id: UUID, now: datetime) -> NearDuplicateQuestion:
    """The question that a query asks. Raises Invalid."""
    # What may be recorded lies a little ahead.
    until = query["until"] or now + DAY
    period = query["period"] or (None if query["since"] else "24h")
    moments = [moment for moment in (query["since"], min(until, now) - NEAR_PERIODS[period] if period else None) if moment is not None]
    since = max(moments)
    if since >= until:
        raise Invalid([FieldProblem(("filter[to_date]",), "too_early", {}, query["until"])], place="query")
    if min(until, now) - since > MAX_READ_SPAN:
        raise Invalid([FieldProblem(("filter[from_date]",), "span_too_long", {"max": MAX_READ_SPAN.days}, query["since"])], place="query")
    filters = {name: query[name] for name in ("service", "agent", "customer") if query[name] is not None}
    return NearDuplicateQuestion(tenant_id=tenant_id, since=since, until=until, within=timedelta(seconds=query["within"]), filters=filters)


def _unknown(name: str, known: Any) -> dict[str, str]:
    match = nearest(name, known)
    return {"name": name[:60], "hint": f"; did you mean {match}?" if match else ""}


def question_of(
    query: dict[str, Any], *, tenant_id: UUID, parameters: Mapping[str, str], keys: Mapping[str, int], now: datetime
) -> UsageQuestion:
    """The question that a query asks. `parameters`: the whole query string; `keys`: the numbers of the tenant's declared keys by name
    (`qualifiers.env`). Raises Invalid."""
    group_by, absent = query.get("group_by") or (), query["absent"] or ()
    problems = _unknown_dimensions("group_by", group_by, keys=keys) + _unknown_dimensions("filter[absent]", absent, keys=keys)
    if len(group_by) > MAX_GROUPS:
        problems.append(FieldProblem(("group_by",), "too_many_names", {"max": MAX_GROUPS}, ",".join(group_by)))
    filters: dict[str, str | None] = {name: str(query[name]) for name in GROUPS if query[name] is not None}
    named = {name: value for name, value in parameters.items() if name.startswith(KEY_FILTERS)}
    known = {f"filter[{key}]": key for key in keys}
    filters |= {known[name]: value for name, value in named.items() if name in known}
    problems += [unknown_name((name,), known=known, value=value) for name, value in named.items() if name not in known]
    problems += [FieldProblem(("filter[absent]",), "absent_and_present", {"name": name}, name) for name in absent if name in filters]
    filters |= dict.fromkeys(absent)
    if problems:
        raise Invalid(problems, place="query")
    question = UsageQuestion(
        tenant_id=tenant_id,
        clock=query["clock"],
        interval=query.get("interval"),
        zone=query["timezone"],
        group_by=group_by,
        filters=filters,
        keys=keys,
        tokens=[column for name, column in zip(MEASURES[2:], TOKENS, strict=True) if name in query.get("measures", MEASURES)],
        **_span(query, tenant_id=tenant_id, now=now),
    )
    _check_size(question, query)
    return question


def _unknown_dimensions(wire_name: str, names: tuple[str, ...], *, keys: Mapping[str, int]) -> list[FieldProblem]:
    known = (*GROUPS, *keys)
    return [FieldProblem((wire_name,), "unknown_item", _unknown(name, known), name) for name in names[:20] if name not in known]


def _span(query: dict[str, Any], *, tenant_id: UUID, now: datetime) -> dict[str, datetime]:
    """The span in UTC: the period and the dates, whichever is narrower. It ends with the present hour, unless a date is given."""
    zone = query["timezone"]
    until = _first_moment(query["until"], zone, days_later=1) or end_of(now, HOUR)
    since = _first_moment(query["since"], zone)
    period = query["period"] or (None if since else "30d")
    length = PERIODS[period] if period else None
    if length is not None:
        since = max(filter(None, (since, min(until, end_of(now, HOUR)) - length)))
    since = since or get_first_usage(tenant_id=tenant_id, clock=query["clock"]) or until - HOUR
    if since >= until:
        raise Invalid([FieldProblem(("filter[to_date]",), "too_early", {}, query["until"])], place="query")
    return {"since": since, "until": until}


def _first_moment(given: Any, zone: ZoneInfo, *, days_later: int = 0) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    day: date = given
    return datetime.combine(day + timedelta(days=days_later), time(0), tzinfo=zone).astimezone(UTC)


def _check_size(question: UsageQuestion, query: dict[str, Any]) -> None:
    length = question.until - question.since
    problem = None
    if length > MAX_SPAN:
        problem = FieldProblem(("filter[from_date]",), "span_too_long", {"max": MAX_SPAN.days}, query["since"])
    elif NEVER in question.group_by and NEVER not in question.filters and length > MAX_SPAN_BY_TRACE:
        problem = FieldProblem(("filter[from_date]",), "traces_too_long", {"max": MAX_SPAN_BY_TRACE.days}, query["since"])
    elif not question.has_sums and NEVER not in question.filters and "group_by" in query and length > MAX_READ_SPAN:
        problem = FieldProblem(("filter[from_date]",), "read_too_long", {"max": MAX_READ_SPAN.days}, query["since"])
    elif (question.interval == "hour" and length > MAX_POINTS * HOUR) or (question.interval and len(question.starts()) > MAX_POINTS):
        problem = FieldProblem(("interval",), "too_many_points", {"max": MAX_POINTS}, question.interval)
    if problem is not None:
        raise Invalid([problem], place="query")
