"""Replies about balances, and bodies and replies of draws on a customer's grants."""

from credits.api.dialect import CreditsBody, CreditsReply
from credits.api.serializers.transactions import ChosenByReply, TransactionReply
from credits.choices import BalanceType
from kernel.api.amounts import AmountNumber, AmountText
from kernel.api.fields import Boolean, Choice, Currency, Day, Identifier, Integer, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from kernel.api.problems import Refused


class UsableGrantReply(CreditsReply):
    id = Identifier()
    name = Text()
    grant_amount = AmountNumber(source="original_amount")
    balance = AmountNumber()
    issue_date = Day(source="effective_date")
    expiry_date = Day(required=False)


class UsableGrantsReply(CreditsReply):
    items = ListOf(Nested(UsableGrantReply))


class BalanceGrantReply(CreditsReply):
    id = Identifier()
    sequence_account_id = Identifier(source="tenant_id")
    customer_id = Text()
    type = Choice(BalanceType.values)
    currency = Text()
    metric_id = Text(required=False)
    name = Text(source="unit", description="The currency, or the metric's id.")
    original_amount = AmountText()
    current_balance = AmountText(source="balance")
    expiry_date = Day(required=False)
    cost_of_credit = AmountText()
    effective_date = Day()
    created_at = Timestamp(fine=True)


class BalanceReply(CreditsReply):
    id = Text(description="The currency, or the metric's id.")
    type = Choice(BalanceType.values)
    name = Text()
    balance = AmountText(description="The sum of the grants that can be drawn on today.")
    held = AmountText(description="How much of it holds reserve.")
    available = AmountText(description="What a debit may take.")
    grants = ListOf(Nested(BalanceGrantReply))
    transactions = ListOf(
        Nested(TransactionReply), required=False, description="The newest of these grants; GET /credit-transactions returns all."
    )


class BalancesReply(CreditsReply):
    items = ListOf(Nested(BalanceReply))


class TenantBalanceReply(CreditsReply):
    id = Text(source="unit", description="The currency, or the metric's id.")
    type = Choice(BalanceType.values)
    grants = Integer(description="Grants with a balance.")
    balance = AmountText()
    held = AmountText()
    usable = AmountText(description="The part in force on that day.")


class TenantBalancesReply(CreditsReply):
    at = Timestamp(fine=True)
    items = ListOf(Nested(TenantBalanceReply))


class DrawRequest(CreditsBody):
    amount = AmountText(sign="positive", description="Units, as digits.", example="10")
    currency = Currency(required=False, description="Draw on grants of this currency.")
    metric_id = Text(
        is_key=True,
        required=False,
        min_length=1,
        max_length=255,
        description="Draw on grants of this metric; with a currency: on both, 1 to 1.",
    )
    reason = Text(required=False, max_length=1000)

    @classmethod
    def check(cls, values: dict) -> dict:
        if values["currency"] is None and values["metric_id"] is None:
            raise Refused("unit_missing", field="currency")
        return values


class ConsumeRequest(DrawRequest):
    invoice_id = Text(is_key=True, required=False, min_length=1, max_length=255)
    billing_run_id = Text(is_key=True, required=False, min_length=1, max_length=255)
    partial = Boolean(required=False, default=False, description="Take what is available if it is less than the amount.")


class ConsumeReply(CreditsReply):
    id = Identifier()
    customer_id = Text()
    amount = AmountText()
    taken = AmountText()
    missing = AmountText()
    created_at = Timestamp(fine=True)
    transactions = ListOf(Nested(TransactionReply), description="One for each grant drawn on, in burn-down order.")


class PreviewLineReply(CreditsReply):
    grant_id = Identifier()
    name = Text()
    available = AmountText()
    taken = AmountText()
    chosen_by = Nested(ChosenByReply)


class PreviewReply(CreditsReply):
    amount = AmountText()
    taken = AmountText()
    missing = AmountText()
    lines = ListOf(Nested(PreviewLineReply))


class ReinstateRequest(CreditsBody):
    invoice_id = Text(is_key=True, min_length=1, max_length=255)
    reason = Text(required=False, max_length=1000)


class ReinstateReply(CreditsReply):
    invoice_id = Text()
    amount = AmountText(description="All that was given back.")
    transactions = ListOf(Nested(TransactionReply))
