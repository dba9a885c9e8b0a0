"""The query parameters of the billing API."""

from billing.api.dialect import dialect
from kernel.wire.amounts import AmountNumber
from kernel.wire.fields import Currency, Text, Timestamp, Whole
from kernel.wire.serializers import Query


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
