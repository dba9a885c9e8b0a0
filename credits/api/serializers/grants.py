"""Bodies and replies of grants."""

from typing import Any

from credits.api.dialect import CreditsBody, CreditsReply
from credits.choices import BalanceType, Category, GrantStatus, UnitType
from credits.selectors import with_unit
from kernel.api.amounts import AmountNumber, AmountText
from kernel.api.fields import Choice, Currency, Day, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import ListOf
from kernel.api.problems import Refused

# A customer's id is part of URLs, percent-encoded; some clients and proxies drop control characters there.
NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]+$"


class GrantRequest(CreditsBody):
    sequence_account_id = Text(max_length=255, description="The tenant that grants the credit: the key's own, or that of On-Behalf-Of.")
    customer_id = Text(is_key=True, min_length=1, max_length=255, pattern=NO_CONTROL_CHARACTERS)
    name = Text(min_length=1, max_length=255)
    credit_unit_type = Choice(UnitType.values)
    currency = Currency()
    amount = AmountNumber(sign="positive", strings=False)
    metric_id = Text(
        is_key=True, required=False, min_length=1, max_length=255, description="Required where creditUnitType is METRIC, else ignored."
    )
    cost_of_credit = AmountNumber(
        required=False, sign="not_negative", strings=False, description="What the customer paid for the whole grant."
    )
    effective_date = Day(required=False, description="The first day on which it can be drawn on; today by default.")
    expiry_date = Day(required=False, is_expiry=True, description="The last day on which it can be drawn on.")
    category = Choice(Category.values, required=False, default=Category.PAID)
    priority = Integer(required=False, default=50, min_value=0, max_value=100, description="Lower is drawn on first.")

    @classmethod
    def check(cls, values: dict) -> dict:
        if values["credit_unit_type"] == UnitType.METRIC and values["metric_id"] is None:
            raise Refused("missing", field="metric_id")
        effective, expiry = values["effective_date"], values["expiry_date"]
        if effective and expiry and expiry < effective:
            raise Refused("before_effective_date", field="expiry_date")
        return values


class VoidRequest(CreditsBody):
    reason = Text(min_length=1, max_length=1000)


class GrantReply(CreditsReply):
    id = Identifier()
    sequence_account_id = Identifier(source="tenant_id")
    customer_id = Text()
    name = Text()
    credit_unit_type = Choice(UnitType.values, source="unit_type")
    currency = Text()
    metric_id = Text(required=False)
    amount = AmountNumber(source="original_amount")
    cost_of_credit = AmountNumber(required=False)
    effective_date = Day()
    expiry_date = Day(required=False)
    created_at = Timestamp(fine=True)
    integration_ids = ListOf(JsonObject())
    category = Choice(Category.values)
    priority = Integer()
    type = Choice(BalanceType.values, description="CASH or USAGE.")
    original_amount = AmountText()
    current_balance = AmountText(source="balance", description="The sum of its transactions.")
    held = AmountText(description="How much of the balance holds reserve.")
    status = Choice(GrantStatus.values)


def to_grant_reply(row: dict[str, Any]) -> dict[str, Any]:
    """A grant's row for its reply. Grants aren't synchronized with other systems, so `integration_ids` is empty."""
    return {**with_unit(row), "integration_ids": []}
