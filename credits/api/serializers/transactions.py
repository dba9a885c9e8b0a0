"""Bodies and replies of transactions, and of the explanation of a balance by them."""

from credits.api.dialect import CreditsBody, CreditsReply
from credits.choices import BalanceType, Category, TransactionKind, TransactionType, UnitType
from kernel.api.amounts import AmountText
from kernel.api.batches import ITEM_STATUSES
from kernel.api.fields import Boolean, Choice, Day, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import Batch, ListOf, Nested


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
    items = Batch(TransactionItem)
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
