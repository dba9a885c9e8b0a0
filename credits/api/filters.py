"""The query parameters of this API."""

from datetime import datetime, timedelta
from typing import Any

from credits.api.dialect import CreditsQuery
from credits.choices import TransactionType
from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Currency, Identifier, Integer, Text, Timestamp
from kernel.api.problems import Refused
from kernel.api.query_fields import PageLimit
from kernel.ledger.clocks import Clock
from kernel.ledger.holds import HoldStatus


class LastMoment(Timestamp):
    """A moment; a bare day means its last microsecond in UTC, so that both ends of a period are inclusive."""

    def parse(self, value: Any, source: Any = None) -> datetime:
        moment = super().parse(value, source)
        return moment + timedelta(days=1, microseconds=-1) if len(value) == len("2024-01-31") else moment


class PageQuery(CreditsQuery):
    limit = PageLimit(description="How many to return at most.")
    after = Text(required=False, description="The cursor `pagination.after` of the preceding page.")
    before = Text(required=False, description="The cursor `pagination.before` of the following page.")


class GrantQuery(PageQuery):
    customer_id = Text(required=False, max_length=255)


class TransactionQuery(PageQuery):
    grant_id = Identifier(required=False)
    customer_id = Text(required=False, max_length=255)
    type = Choice(TransactionType.values, required=False)
    invoice_id = Text(required=False, max_length=255)
    billing_run_id = Text(required=False, max_length=255)
    since = Timestamp(
        required=False, days=True, wire_name="from", description="Booked at this moment or later; a day means its beginning in UTC."
    )
    until = LastMoment(
        required=False, days=True, wire_name="to", description="Booked at this moment or earlier; a day means its end in UTC."
    )


class BatchQuery(CreditsQuery):
    atomic = Boolean(required=False, default=False, description="The same as in the body.")


class PastQuery(CreditsQuery):
    at = LastMoment(required=False, days=True, description="The state at this moment; a day means its end in UTC. Now by default.")
    clock = Choice(
        Clock.values,
        required=False,
        default=Clock.BOOK,
        description="book: what was booked by then; world: what had happened by then, whenever it was booked.",
    )


class PartialQuery(CreditsQuery):
    partial = Boolean(required=False, default=False, description="The same as in the body.")


class PreviewQuery(CreditsQuery):
    amount = AmountText(sign="positive")
    currency = Currency(required=False)
    metric_id = Text(required=False, min_length=1, max_length=255)

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["currency"] is None and values["metric_id"] is None:
            raise Refused("unit_missing", field="currency")
        return values


class ExplainQuery(CreditsQuery):
    at = LastMoment(required=False, days=True, description="Booked at this moment or earlier; a day means its end in UTC. Now by default.")
    limit = Integer(min_value=1, max_value=1000, required=False, default=1000, description="How many entries to return at most.")
    after = Text(required=False, description="The cursor `pagination.after` of the preceding page.")
    before = Text(required=False, description="The cursor `pagination.before` of the following page.")


class HoldQuery(PageQuery):
    status = Choice(HoldStatus.values, required=False)


class AlertQuery(PageQuery):
    """The alerts of a customer."""


class RecurringGrantQuery(PageQuery):
    customer_id = Text(required=False, max_length=255)
