"""The query parameters of the billing API."""

from datetime import UTC, datetime
from typing import Any

from billing.api.dialect import dialect
from billing.choices import Basis
from kernel.api.amounts import AmountNumber
from kernel.api.fields import Choice, Currency, Text, Timestamp, Whole
from kernel.api.problems import Refused
from kernel.api.serializers import Query


class TransactionQuery(Query):
    """Moments are RFC 3339 or a day, which means its first moment in UTC; from, up to but not at."""

    dialect = dialect
    type = Text(required=False)
    reference_id = Text(required=False)
    agent_id = Text(required=False)
    currency = Currency(required=False)
    amount_min = AmountNumber(required=False)
    amount_max = AmountNumber(required=False)
    created_from = Timestamp(days=True, required=False)
    created_to = Timestamp(days=True, required=False)
    occurred_from = Timestamp(days=True, required=False)
    occurred_to = Timestamp(days=True, required=False)
    limit = Whole(min_value=1, max_value=100, required=False, default=20)
    cursor = Text(required=False, description="The next_cursor of the page before.")


class WalletQuery(Query):
    dialect = dialect
    currency = Currency(required=False, description="Whose balance stands at the top; the account's own where it isn't given.")
    as_of = Timestamp(days=True, required=False, description="The balances after all up to and at this moment.")
    basis = Choice(Basis.values, required=False, default=str(Basis.BOOK), description="Whether a moment is the book's or the world's.")


class StatementQuery(Query):
    dialect = dialect
    currency = Currency(required=False)
    since = Timestamp(
        days=True, required=False, wire_name="from", description="Where the period starts; this month's first moment by default."
    )
    until = Timestamp(days=True, required=False, wire_name="to", description="Up to but not at; now by default.")
    basis = Choice(Basis.values, required=False, default=str(Basis.BOOK), description="Whether the period is the book's or the world's.")
    format = Choice(("json", "csv", "html"), required=False, description="Comes before the Accept header.")

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC)
        values["until"] = values["until"] or now
        values["since"] = values["since"] or values["until"].replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if values["since"] > values["until"]:
            raise Refused("before_start", field="until")
        return values


class AgentQuery(Query):
    dialect = dialect
    created_from = Timestamp(days=True, required=False)
    created_to = Timestamp(days=True, required=False)
