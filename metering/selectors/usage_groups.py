"""What /v1/analytics/query and /transactions answer: measures grouped by up to two dimensions, over intervals of time in any zone, from the
sums of metering_usagesum.

A span is put together of the sums of its whole months and days (UTC), of those of its whole hours, and of the transactions at its edges,
so it is exact to the microsecond. What the sums don't have (traces, three dimensions and more) is read from the transactions' own usage.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Min, Q, QuerySet

from metering.choices import DIMENSIONS, SumGrain, UsageClock
from metering.models import Usage
from metering.selectors.rollups import DAY, HOUR, end_of, start_of, start_of_month
from metering.selectors.rows import RowDict

INTERVALS = ("hour", "day", "week", "month")
TOKENS = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "input_audio_tokens", "output_audio_tokens"),
    "reasoning_tokens",
)
MEASURES = ("transactions", "repeated", "amount", "estimated")
# How many intervals are read first: a page of days by two dimensions often needs no more.
FIRST_INTERVALS = 4
# Dimensions that every sum has, and one that none has.
ALWAYS, NEVER = ("currency", "outcome"), "trace"
PREFIX = 60
GRAINS = (SumGrain.MONTH, SumGrain.DAY, SumGrain.HOUR)
TIMES = {UsageClock.OCCURRED: "occurred_at", UsageClock.RECORDED: "recorded_at"}


@dataclass(frozen=True, kw_only=True)
class UsageQuestion:
    """What is asked. `span`: from (included) to (excluded). `filters`: a dimension's value, None for transactions without one. `keys`: the
    numbers of the declared keys, by their names as dimensions. `tokens`: which of TOKENS are wanted."""

    tenant_id: UUID
    since: datetime
    until: datetime
    clock: str = UsageClock.OCCURRED
    interval: str | None = None
    zone: tzinfo = UTC
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, str | None] = field(default_factory=dict)
    keys: Mapping[str, int] = field(default_factory=dict)
    tokens: Sequence[str] = TOKENS

    @property
    def measures(self) -> tuple[str, ...]:
        """The columns that are summed."""
        return (*MEASURES, *self.tokens)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that are needed beyond those of every sum, in the order of their numbers."""
        needed = {*self.group_by, *self.filters} - {*ALWAYS}
        return tuple(sorted(needed, key=self.number_of))

    def number_of(self, name: str) -> int:
        return DIMENSIONS.get(name) or self.keys.get(name, 0)

    @property
    def has_sums(self) -> bool:
        """Whether sums can answer it; else every transaction of the span is read."""
        return len(self.dimensions) <= 2 and NEVER not in self.dimensions

    def starts(self) -> list[datetime]:
        """The first moments of the intervals that the span touches, in order; of the span alone where there is no interval."""
        if self.interval is None:
            return [self.since]
        return list(starts_of(self.interval, since=self.since, until=self.until, zone=self.zone))


def starts_of(interval: str, *, since: datetime, until: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The first moments, in UTC, of the hours, days, weeks or months of a zone that a span touches."""
    start = _floor(since.astimezone(zone), interval, zone)
    while start < until:
        following = _next(start.astimezone(zone), interval, zone)
        # A zone that skips a whole day has a day without length.
        if following > start and following > since:
            yield start
        start = following


def _floor(local: datetime, interval: str, zone: tzinfo) -> datetime:
    if interval == "hour":
        return local.astimezone(UTC) - _passed(local)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    back = {"day": 0, "week": midnight.weekday(), "month": midnight.day - 1}[interval]
    return (midnight - timedelta(days=back)).replace(tzinfo=zone).astimezone(UTC)


def _next(local: datetime, interval: str, zone: tzinfo) -> datetime:
    if interval == "hour":
        return local.astimezone(UTC) + HOUR - _passed(local)
    # The first moment of a day may be one o'clock, where the clock is put forward at midnight: the days are counted without a zone.
    there = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    there += timedelta(days={"day": 1, "week": 7, "month": 31}[interval])
    if interval == "month":
        there = there.replace(day=1)
    return there.replace(tzinfo=zone).astimezone(UTC)


def _passed(local: datetime) -> timedelta:
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


@dataclass(frozen=True, slots=True)
class _Span:
    """What is read: the sums of a grain, or the transactions' own usage (None)."""

    grain: SumGrain | None
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Use:
    """A span that is added to an interval (its number), or taken off it (sign -1)."""

    place: int
    sign: int
    span: _Span


def _uses(question: UsageQuestion, starts: Sequence[datetime], places: range) -> Iterator[_Use]:
    """What intervals are put together of."""
    ends = [*starts[1:], question.until]
    for place in places:
        since = max(starts[place], question.since)
        for sign, span in _parts(since, ends[place], grains=GRAINS if question.has_sums else []):
            yield _Use(place, sign, span)


def _parts(since: datetime, until: datetime, *, grains: Sequence[SumGrain]) -> Iterator[tuple[int, _Span]]:
    """The steps of the first grain that are nearest to the span, and, by the other grains, what they have too little or too much.

    A day of New York is a day of UTC without its first five hours and with those of the next one: 2 × 5 sums of hours, the same for the
    next day, instead of 24.
    """
    if since >= until:
        return
    if not grains:
        yield 1, _Span(None, since, until)
        return
    first, last = _nearest(since, grains[0]), _nearest(until, grains[0])
    # The edges of a step may be longer than the span itself.
    if abs(first - since) + abs(last - until) >= until - since:
        yield from _parts(since, until, grains=grains[1:])
        return
    yield from _edge(since, first, grains=grains[1:], sign=1)
    yield 1, _Span(grains[0], first, last)
    yield from _edge(until, last, grains=grains[1:], sign=-1)


def _edge(moment: datetime, step: datetime, *, grains: Sequence[SumGrain], sign: int) -> Iterator[tuple[int, _Span]]:
    """What lies between the edge of a span and that of the steps. `sign`: how it counts where the step is later."""
    sign = sign if moment < step else -sign
    for part_sign, span in _parts(min(moment, step), max(moment, step), grains=grains):
        yield sign * part_sign, span


def _nearest(moment: datetime, grain: SumGrain) -> datetime:
    """The beginning of a step that is nearest to a moment."""
    if grain == SumGrain.MONTH:
        before = start_of_month(moment)
        after = before if before == moment else start_of_month(before + 31 * DAY)
    else:
        step = DAY if grain == SumGrain.DAY else HOUR
        before, after = start_of(moment, step), end_of(moment, step)
    return before if moment - before <= after - moment else after


def list_usage(question: UsageQuestion, *, limit: int, after: Sequence[Any] | None = None) -> list[RowDict]:
    """The groups that have any usage, in the order of intervals and values. `after`: the last group's `place`, as in the row.

    A row: `starts_at` of its interval, `since` and `until` of what of it lies in the span, `group` (the value of each dimension),
    `transactions`, its `tokens`, and `costs`, a row for each currency. A transaction with active costs in several currencies counts in each
    of them, and over all currencies once; its tokens stand under the first.

    A page of many groups has few intervals, so some are read at a time, as many as those before lead to expect: one query or a few.
    """
    starts = question.starts()
    # What lies before the last group's interval isn't read again.
    begun = place = after[0] if after else 0
    size = FIRST_INTERVALS
    found: list[RowDict] = []
    while place < len(starts) and len(found) < limit:
        places = range(place, min(place + size, len(starts)))
        found += _list_intervals(question, starts, places, limit=limit - len(found), after=after if place == begun else None)
        place = places.stop
        size = max(4 * size if not found else 1, (limit - len(found)) * (place - begun) // max(1, len(found)) + 1)
    return found


def _list_intervals(
    question: UsageQuestion, starts: Sequence[datetime], places: range, *, limit: int, after: Sequence[Any] | None
) -> list[RowDict]:
    """The groups of some intervals; one query."""
    statement, parameters = _statement(question, list(_uses(question, starts, places)), limit=limit, after=after)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description]
        return [_to_row(question, starts, dict(zip(names, values, strict=True))) for values in cursor.fetchall()]


def _to_row(question: UsageQuestion, starts: Sequence[datetime], found: RowDict) -> RowDict:
    group = {name: found[f"group_{number}"] for number, name in enumerate(question.group_by)}
    sums = zip(found["currencies"], found["amounts"], found["estimates"], strict=True)
    costs = [{"currency": code, "amount": total, "estimated": part, "actual": total - part} for code, total, part in sums if code]
    if "currency" in group:
        group["currency"] = group["currency"] or None
    return {
        "starts_at": starts[found["place"]] if question.interval else None,
        "since": max(starts[found["place"]], question.since),
        "until": (*starts[1:], question.until)[found["place"]],
        "place": [found["place"], *(value for number in range(len(question.group_by)) for value in json.loads(found[f"order_{number}"]))],
        "group": group,
        "costs": costs,
        **{name: int(found[name]) for name in ("transactions", *question.tokens)},
    }


def _statement(question: UsageQuestion, uses: Sequence[_Use], *, limit: int, after: Sequence[Any] | None) -> tuple[str, dict[str, Any]]:
    # Each span is read once, however many intervals use it.
    spans = {span: number for number, span in enumerate(dict.fromkeys(use.span for use in uses))}
    parameters = {"tenant": question.tenant_id, "limit": limit} | _columns_of(uses, spans)
    groups = [f"group_{number}" for number in range(len(question.group_by))]
    by_sums, by_transactions = ({span: spans[span] for span in spans if bool(span.grain) is has_sums} for has_sums in (True, False))
    parts = [_from_sums(question, by_sums, parameters)] if by_sums else []
    parts += [_from_transactions(question, by_transactions, parameters)] if by_transactions else []
    # A part may be used several times; most questions take nothing off.
    has_taken_off = any(use.sign < 0 for use in uses)
    signed = "CASE WHEN use.sign < 0 THEN -{0} ELSE {0} END" if has_taken_off else "{0}"
    by_currency = ", ".join(["place", *groups, "currency"])
    by_group = ", ".join(["place", *groups])
    is_one_currency = "currency" in {*question.group_by, *question.filters}
    count = "sum(transactions)" if is_one_currency else "sum(transactions) - sum(repeated)"
    # Values may be long; a cursor holds the beginning and a hash of one.
    orders = [f"({name} IS NULL), left(coalesce({name}, ''), {PREFIX}) COLLATE \"C\", md5(coalesce({name}, ''))" for name in groups]
    order = ", ".join(["place", *orders])
    beyond = _after_condition(order, after, parameters)
    shown = "".join(f", jsonb_build_array({each}) AS order_{number}" for number, each in enumerate(orders))
    return (
        f"""
        WITH part AS {"MATERIALIZED" if has_taken_off else ""} ({" UNION ALL ".join(parts)}), summed AS (
            SELECT {by_currency}, {", ".join(f"sum({signed.format(name)}) AS {name}" for name in question.measures)}
            FROM part JOIN unnest(%(places)s::integer[], %(signs)s::integer[], %(used)s::integer[]) AS use (place, sign, span) USING (span)
            GROUP BY {by_currency}
            -- What was counted and taken off again is no row, nor a currency of one.
            HAVING sum({signed.format("transactions")}) > 0
        )
        SELECT {by_group}, array_agg(currency ORDER BY currency) AS currencies, array_agg(amount ORDER BY currency) AS amounts,
            array_agg(estimated ORDER BY currency) AS estimates, {count} AS transactions
            {"".join(f", sum({name}) AS {name}" for name in question.tokens)}{shown}
        FROM summed {beyond}
        GROUP BY {by_group}
        ORDER BY {order} LIMIT %(limit)s
        """,  # noqa: S608 - made of names of columns; values are parameters
        parameters,
    )


def _after_condition(order: str, after: Sequence[Any] | None, parameters: dict[str, Any]) -> str:
    if after is None:
        return ""
    parameters |= {f"after_{number}": value for number, value in enumerate(after)}
    return f"WHERE ({order}) > ({', '.join(f'%(after_{number})s' for number in range(len(after)))})"


def _columns_of(uses: Sequence[_Use], spans: Mapping[_Span, int]) -> dict[str, Any]:
    return {
        "places": [use.place for use in uses],
        "signs": [use.sign for use in uses],
        "used": [spans[use.span] for use in uses],
    }


def _from_sums(question: UsageQuestion, spans: Mapping[_Span, int], parameters: dict[str, Any]) -> str:
    wanted = [*question.dimensions, None, None][:2]
    columns = dict(zip((*question.dimensions, *ALWAYS), (*("first", "second")[: len(question.dimensions)], *ALWAYS), strict=True))
    parameters |= _arrays(spans, "sum") | {
        "grains": [str(span.grain) for span in spans],
        "dimension_1": question.number_of(wanted[0]) if wanted[0] else 0,
        "dimension_2": question.number_of(wanted[1]) if wanted[1] else 0,
        "clocks": ["both", str(question.clock)],
    }
    return _part(
        question,
        columns=columns,
        parameters=parameters,
        spans="""
            unnest(%(sum_spans)s::integer[], %(grains)s::text[], %(sum_since)s::timestamptz[], %(sum_until)s::timestamptz[])
                AS span (number, grain, since, until)
        """,
        source="""
            metering_usagesum AS stored WHERE stored.tenant_id = %(tenant)s AND stored.first_dimension = %(dimension_1)s
                AND stored.second_dimension = %(dimension_2)s AND stored.grain = span.grain AND stored.clock = ANY (%(clocks)s)
                AND stored.starts_at >= span.since AND stored.starts_at < span.until
        """,
    )


def _from_transactions(question: UsageQuestion, spans: Mapping[_Span, int], parameters: dict[str, Any]) -> str:
    time = time_column(question)
    columns = {name: column_of(name, keys=question.keys) for name in {*question.group_by, *question.filters}}
    parameters |= _arrays(spans, "own")
    return _part(
        question,
        columns=columns,
        parameters=parameters,
        spans="unnest(%(own_spans)s::integer[], %(own_since)s::timestamptz[], %(own_until)s::timestamptz[]) AS span (number, since, until)",
        source=(
            f"metering_usage AS stored WHERE stored.tenant_id = %(tenant)s AND stored.{time} >= span.since AND stored.{time} < span.until"
        ),
    )


def column_of(name: str, *, keys: Mapping[str, int]) -> str:
    """A dimension of a transaction's own usage as SQL, as text."""
    if name in keys:
        return f"keys ->> '{int(keys[name])}'"
    return f"{name}::text" if name in {"agent", NEVER} else name


def _part(question: UsageQuestion, *, columns: Mapping[str, str], parameters: dict[str, Any], spans: str, source: str) -> str:
    """One SELECT of the sums by span, group and currency. Each span is read by itself: a join would compare every row with each span."""
    conditions = []
    for number, (name, value) in enumerate(sorted(question.filters.items())):
        parameters[f"filter_{number}"] = value
        # Transactions without a cost have the empty currency.
        is_absent = f"stored.{columns[name]} IS NULL" if name != "currency" else "stored.currency = ''"
        # An identifier's own column may have an index.
        column, cast = (name, "::uuid") if columns[name].endswith("::text") else (columns[name], "")
        conditions.append(is_absent if value is None else f"stored.{column} = %(filter_{number})s{cast}")
    groups = [f"stored.{columns[name]} AS group_{number}" for number, name in enumerate(question.group_by)]
    numbers = ", ".join(str(number) for number in range(1, 2 + len(groups)))
    return f"""
        SELECT span.number AS span, read.*
        FROM {spans}
        CROSS JOIN LATERAL (
            SELECT {", ".join([*groups, "stored.currency"])}, {", ".join(f"sum(stored.{name}) AS {name}" for name in question.measures)}
            FROM {" AND ".join([source, *conditions])}
            GROUP BY {numbers}
        ) AS read
    """  # noqa: S608 - as above


def _arrays(spans: Mapping[_Span, int], name: str) -> dict[str, Any]:
    return {
        f"{name}_spans": list(spans.values()),
        f"{name}_since": [span.since for span in spans],
        f"{name}_until": [span.until for span in spans],
    }


def time_column(question: UsageQuestion) -> str:
    """The column of a question's clock."""
    return TIMES[UsageClock(question.clock)]


def get_first_usage(*, tenant_id: UUID, clock: str) -> datetime | None:
    """The first moment that anything was used."""
    found: RowDict = Usage.objects.filter(tenant_id=tenant_id).aggregate(first=Min(TIMES[UsageClock(clock)]))
    first: datetime | None = found["first"]
    return first


def query_transactions(question: UsageQuestion) -> "QuerySet[Usage, RowDict]":
    """What a question counts, transaction by transaction: transaction_id, and the time of its clock as `at`."""
    time = time_column(question)
    conditions = Q(**{"tenant_id": question.tenant_id, f"{time}__gte": question.since, f"{time}__lt": question.until})
    for name, value in question.filters.items():
        conditions &= _condition(name, value, keys=question.keys)
    if "currency" not in question.filters:
        # One row for each transaction.
        conditions &= Q(repeated=0)
    return Usage.objects.filter(conditions).values("transaction_id", "occurred_at", "recorded_at")


def _condition(name: str, value: str | None, *, keys: Mapping[str, int]) -> Q:
    if name in keys:
        return Q(keys__contains={str(keys[name]): value})
    if name == "currency":
        return Q(currency=value or "")
    return Q(**{name: value}) if value is not None else Q(**{f"{name}__isnull": True})
