"""Bodies and replies of recurring grants."""

from credits.api.dialect import CreditsBody, CreditsReply
from credits.api.serializers.grants import NO_CONTROL_CHARACTERS
from credits.choices import Category, RecurringGrantStatus, UnitType
from kernel.api.amounts import AmountNumber
from kernel.api.fields import Choice, Currency, Day, Identifier, Integer, Text, Timestamp
from kernel.api.problems import Refused


class RecurringGrantRequest(CreditsBody):
    customer_id = Text(is_key=True, min_length=1, max_length=255, pattern=NO_CONTROL_CHARACTERS)
    name = Text(min_length=1, max_length=255)
    credit_unit_type = Choice(UnitType.values)
    currency = Currency()
    amount = AmountNumber(sign="positive", strings=False, description="The amount of each period's grant.")
    metric_id = Text(
        is_key=True, required=False, min_length=1, max_length=255, description="Required where creditUnitType is METRIC, else ignored."
    )
    cost_of_credit = AmountNumber(required=False, sign="not_negative", strings=False)
    category = Choice(Category.values, required=False, default=Category.PAID)
    priority = Integer(required=False, default=50, min_value=0, max_value=100)
    every_months = Integer(required=False, default=1, min_value=1, max_value=120)
    starts_on = Day(required=False, description="The first day of the first period; today by default.")
    ends_on = Day(required=False, is_expiry=True, description="The last day on which a period may begin.")
    rollover_cap = AmountNumber(
        required=False, sign="not_negative", strings=False, description="At most this much of an unused grant rolls over to the next."
    )

    @classmethod
    def check(cls, values: dict) -> dict:
        if values["credit_unit_type"] == UnitType.METRIC and values["metric_id"] is None:
            raise Refused("missing", field="metric_id")
        if values["starts_on"] and values["ends_on"] and values["ends_on"] < values["starts_on"]:
            raise Refused("before_starts_on", field="ends_on")
        return values


class RecurringGrantReply(CreditsReply):
    id = Identifier()
    sequence_account_id = Identifier(source="tenant_id")
    customer_id = Text()
    name = Text()
    credit_unit_type = Choice(UnitType.values, source="unit_type")
    currency = Text()
    metric_id = Text(required=False)
    amount = AmountNumber()
    cost_of_credit = AmountNumber(required=False)
    category = Choice(Category.values)
    priority = Integer()
    every_months = Integer()
    starts_on = Day()
    ends_on = Day(required=False)
    rollover_cap = AmountNumber(required=False)
    status = Choice(RecurringGrantStatus.values)
    next_on = Day(required=False, description="The day on which the next grant is issued.")
    created_at = Timestamp(fine=True)
