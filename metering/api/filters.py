"""What lists of the metering API can be asked for."""

from datetime import datetime, timedelta
from typing import Any

from kernel.wire.fields import Choice, Identifier, Text, Timestamp, Whole
from kernel.wire.problems import Refused
from kernel.wire.serializers import Query
from metering.api.dialect import dialect
from metering.choices import AgentStatus, Status

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90), "all": None}


class MeteringQuery(Query):
    dialect = dialect


class Until(Timestamp):
    """The end of a span: a bare day counts as a whole."""

    def parse_text(self, text: str) -> datetime:
        moment = self.parse(text)
        try:
            return moment + timedelta(days=1) if len(text) == len("2024-01-31") else moment
        except OverflowError as error:
            raise Refused("bad_timestamp") from error


class PageQuery(MeteringQuery):
    limit = Whole(min_value=1, max_value=100, required=False, default=20, spoken="page[limit]")
    after = Text(required=False, max_length=1000, spoken="page[after]")
    before = Text(required=False, max_length=1000, spoken="page[before]")


class TransactionQuery(PageQuery):
    sort = Choice(("created_at", "-created_at"), required=False, default="-created_at")
    status = Choice(Status.values, required=False, spoken="filter[status]")
    service = Text(required=False, spoken="filter[service]", description="The service's name.")
    agent = Identifier(required=False, spoken="filter[agent]", description="The agent's id.")
    period = Choice(PERIODS, required=False, spoken="filter[time_period]")
    since = Timestamp(days=True, required=False, spoken="filter[from_date]")
    until = Until(days=True, required=False, spoken="filter[to_date]", description="Excluded; a bare day counts as a whole.")


class AgentQuery(PageQuery):
    name = Text(required=False, spoken="filter[name]")
    status = Choice(AgentStatus.values, required=False, spoken="filter[status]")


def span(query: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """The book time that a query asks for: its period and its dates, whichever is narrower."""
    length = PERIODS[query["period"]] if query["period"] else None
    since = [moment for moment in (query["since"], now - length if length else None) if moment is not None]
    return {"since": max(since, default=None), "until": query["until"]}
