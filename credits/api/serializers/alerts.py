"""Bodies and replies of balance alerts."""

from credits.api.dialect import CreditsBody, CreditsReply
from credits.choices import BalanceType
from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Currency, Text, Timestamp


class AlertRequest(CreditsBody):
    currency = Currency(required=False, description="The balance in this currency; or in a metric, not both.")
    metric_id = Text(is_key=True, required=False, min_length=1, max_length=255)
    alert_below = AmountText(
        allow_null=True, sign="not_negative", description="Going below it, and coming back to it, are events; null for none.", example="20"
    )


class AlertReply(CreditsReply):
    customer_id = Text()
    id = Text(source="unit", description="The currency, or the metric's id.")
    type = Choice(BalanceType.values)
    alert_below = AmountText(allow_null=True)
    is_low = Boolean(description="Whether the newest posting left the balance below it.")
    updated_at = Timestamp(fine=True)
