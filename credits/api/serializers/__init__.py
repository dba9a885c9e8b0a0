"""Bodies of requests and replies of this API."""

from credits.api.dialect import CreditsBody, CreditsReply
from credits.choices import BalanceType, Category, GrantStatus, ScheduleStatus, TransactionKind, TransactionType, UnitType
from kernel.api.amounts import AmountNumber, AmountText
from kernel.api.batches import ITEM_STATUSES
from kernel.api.fields import Boolean, Choice, Currency, Day, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import Batch, ListOf, Nested
from kernel.api.problems import Refused
from kernel.ledger.holds import HoldStatus

# A customer's id is part of URLs, percent-encoded; some clients and proxies drop control characters there.
NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]+$"


class TransactionRequest(CreditsBody):
    grant_id = Text(is_key=True, max_length=255, description="The credit grant.")
    type = Choice(TransactionType.values, description="DEBIT takes from the grant, CREDIT adds to it.")
    amount = AmountText(sign="positive", description="Units of the grant, as digits.", example="10")
    reason = Text(required=False, max_length=1000)
    invoice_id = Text(
        is_key=True,
        required=False,
        min_length=1,
        max_length=255,
        description="The invoice that the credit went to; a CREDIT gives back at most what it took.",
    )
    billing_run_id = Text(is_key=True, required=False, min_length=1, max_length=255)


class TransactionItem(TransactionRequest):
    idempotency_key = Text(
        is_key=True, required=False, min_length=1, max_length=255, pattern="^[ -~]+$", description="As the header, for this item."
    )


class BatchRequest(CreditsBody):
    items = Batch(TransactionItem, max_items=1000)
    atomic = Boolean(required=False, default=False, description="If one item is refused, none is posted.")


class ReversalRequest(CreditsBody):
    amount = AmountText(
        required=False, sign="positive", description="How much to reverse; a part needs an Idempotency-Key. All that is left by default."
    )
    reason = Text(min_length=1, max_length=1000)


class ChosenByReply(CreditsReply):
    """The values by which a burn-down chose this grant. All but `rank` and `available` are compared in this order."""

    rank = Integer(description="1 for the grant drawn on first.")
    priority = Integer()
    credit_unit_type = Choice(UnitType.values, source="unit_type")
    expiry_date = Text(required=False)
    category = Choice(Category.values)
    effective_date = Text()
    created_at = Text()
    available = Text(description="What the grant could give at that moment.")


class TransactionReply(CreditsReply):
    id = Identifier()
    grant_id = Identifier()
    reason = Text(required=False)
    invoice_id = Text(required=False)
    billing_run_id = Text(required=False)
    type = Choice(TransactionType.values)
    amount = AmountText()
    date = Day(source="occurred_at", description="The day in UTC for which it counts.")
    created_at = Timestamp(fine=True, description="When it was booked.")
    kind = Choice(TransactionKind.values, required=False, description="Why it was posted.")
    entry_number = Integer(required=False, description="The number of this transaction on its grant: 1, 2, 3, without gaps.")
    balance_after = AmountText(required=False, description="The grant's balance after it.")
    cost_basis = AmountText(required=False, description="How much of the grant's cost the amount stands for.")
    reverses = Identifier(required=False, source="reverses_id", description="The transaction that this one reverses.")
    consumption_id = Identifier(required=False)
    hold_id = Identifier(required=False)
    chosen_by = Nested(ChosenByReply, required=False)


class BatchOutcomeReply(CreditsReply):
    index = Integer()
    status = Choice(ITEM_STATUSES)
    transaction = Nested(TransactionReply, required=False)
    error = JsonObject(required=False, description="Type, message and details, as in the error envelope.")


class BatchReply(CreditsReply):
    items = ListOf(Nested(BatchOutcomeReply))
    posted = Integer()
    replayed = Integer()
    refused = Integer()


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


class HoldRequest(DrawRequest):
    expires_at = Timestamp(description="Until when the amount is reserved.")


class CaptureRequest(CreditsBody):
    may_be_empty = True
    amount = AmountText(required=False, sign="positive", description="All of it by default.")
    final = Boolean(required=False, default=True, description="False keeps the rest reserved, for further captures; else it is released.")
    reason = Text(required=False, max_length=1000)
    invoice_id = Text(is_key=True, required=False, min_length=1, max_length=255)
    billing_run_id = Text(is_key=True, required=False, min_length=1, max_length=255)


class ExtensionRequest(CreditsBody):
    expires_at = Timestamp(description="Later than the hold's present end.")


class ReleaseRequest(CreditsBody):
    may_be_empty = True
    reason = Text(required=False, max_length=1000)


class HoldLineReply(CreditsReply):
    grant_id = Identifier()
    amount = AmountText()
    held = AmountText(source="remaining", description="What is still reserved.")
    chosen_by = Nested(ChosenByReply)


class HoldReply(CreditsReply):
    id = Identifier()
    customer_id = Text()
    currency = Text(required=False)
    metric_id = Text(required=False)
    amount = AmountText()
    captured = AmountText()
    held = AmountText(description="What is still reserved.")
    reason = Text(required=False)
    status = Choice(HoldStatus.values)
    expires_at = Timestamp(fine=True)
    created_at = Timestamp(fine=True)
    closed_at = Timestamp(required=False, fine=True)
    lines = ListOf(Nested(HoldLineReply))


class EntryReply(TransactionReply):
    customer_id = Text()
    occurred_at = Timestamp(fine=True)
    actor = Text(description="Who posted it: an API key, a member of staff, a command or a job.")
    request_id = Text(required=False, description="The request or run that posted it.")


class KindSumReply(CreditsReply):
    kind = Choice(TransactionKind.values)
    amount = AmountText()


class GrantSumReply(CreditsReply):
    grant_id = Identifier()
    customer_id = Text()
    name = Text()
    type = Choice(BalanceType.values)
    unit = Text()
    entries = Integer()
    last_entry_number = Integer()
    credits = AmountText()
    debits = AmountText()
    balance = AmountText(description="Credits less debits, computed from the entries.")
    held = AmountText(description="Holds placed less captured, released and expired.")
    cost_of_credit = AmountText(required=False)
    cost_consumed = AmountText(required=False, description="How much of the cost the debits stand for.")
    by_kind = ListOf(Nested(KindSumReply))


class ExplanationReply(CreditsReply):
    at = Timestamp(fine=True)
    entries = ListOf(Nested(EntryReply))
    pagination = JsonObject(description="`after` and `before`: cursors of the next and the preceding page, if any.")
    sums = ListOf(Nested(GrantSumReply), description="For each grant, over all entries up to that moment.")


class ScheduleRequest(CreditsBody):
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


class ScheduleReply(CreditsReply):
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
    status = Choice(ScheduleStatus.values)
    next_on = Day(required=False, description="The day on which the next grant is issued.")
    created_at = Timestamp(fine=True)
