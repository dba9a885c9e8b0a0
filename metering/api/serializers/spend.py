"""Replies about what was spent: by the rollups (/v1/analytics/summary, /chart, /leaderboards), by traces, and by the account."""

from typing import Any

from kernel.api.amounts import AmountNumber, AmountText
from kernel.api.fields import Currency, Identifier, Integer, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from metering.api.serializers.base import MeteringReply
from metering.api.serializers.replies import TransactionReply


class CountedByTime(Text):
    """By which of a transaction's two times it is counted: always `occurredAt`."""

    def plain(self, value: Any) -> str:
        return "occurredAt"


class SpendReply(MeteringReply):
    """What was spent in one currency: all active costs, and of them what is estimated and what is actual."""

    fiat_asset_symbol = Currency(source="currency")
    costs = Integer(min_value=0)
    total = AmountText(full=True, source="amount")
    estimated = AmountText(full=True)
    actual = AmountText(full=True)


class CountsReply(MeteringReply):
    transactions = Integer(min_value=0)
    succeeded = Integer(min_value=0)
    failed = Integer(min_value=0)
    denied = Integer(min_value=0)
    cancelled = Integer(min_value=0)


class SpanReply(MeteringReply):
    from_date = Timestamp(source="since", required=False)
    to_date = Timestamp(source="until")
    interval = Text(source="grain", required=False)
    clock = CountedByTime(source="until", description="The time by which transactions are counted: occurredAt.")


class SumReply(CountsReply):
    spend = ListOf(Nested(SpendReply), source="costs")


class SummaryReply(MeteringReply):
    data = Nested(SumReply)
    meta = Nested(SpanReply)


class PointReply(SumReply):
    starts_at = Timestamp()


class ChartReply(MeteringReply):
    data = ListOf(Nested(PointReply))
    meta = Nested(SpanReply)


class LeaderReply(CountsReply):
    """An agent (none, for what no agent did) or a service."""

    id = Identifier(required=False)
    name = Text(required=False)
    total = AmountText(full=True, source="amount")
    estimated = AmountText(full=True)


class LeaderboardsReply(MeteringReply):
    fiat_asset_symbol = Currency(source="currency")
    agents = ListOf(Nested(LeaderReply))
    services = ListOf(Nested(LeaderReply))
    meta = Nested(SpanReply)


class ListedTraceReply(MeteringReply):
    id = Identifier(source="reference")
    external_id = Text(required=False)
    created_at = Timestamp()


class TraceReply(MeteringReply):
    """A trace with its first transactions; `filter[trace]` of the list gives them all."""

    id = Identifier(source="reference")
    external_id = Text(required=False)
    created_at = Timestamp()
    transaction_count = Integer(min_value=0)
    total_active_cost_usd = AmountText(full=True)
    spend = ListOf(Nested(SpendReply))
    transactions = ListOf(Nested(TransactionReply))


class SpanSpendReply(MeteringReply):
    """The metered cost in USD of the last hours or days."""

    day = AmountText(full=True, source="24h", wire_name="24h")
    week = AmountText(full=True, source="7d", wire_name="7d")
    month = AmountText(full=True, source="30d", wire_name="30d")


class AccountReply(MeteringReply):
    available_balance_usd = AmountText(full=True, source="available", required=False)
    spend = Nested(SpanSpendReply)
    burn_per_day_usd = AmountText(full=True, source="burn_per_day")
    runway_days = AmountNumber(required=False)
    clock = CountedByTime(source="spend", description="The time by which transactions are counted: occurredAt.")


class AccountSpendReply(MeteringReply):
    data = Nested(AccountReply)
