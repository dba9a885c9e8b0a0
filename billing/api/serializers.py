"""What the billing API reads and writes."""

from typing import Any

from billing.api.dialect import dialect
from billing.choices import AGENT_LENGTH, BATCH_LIMIT, REASON_LENGTH, REFERENCE_LENGTH, TYPE_LENGTH, Direction, Flag, ReversalReason
from kernel.wire.amounts import AmountNumber
from kernel.wire.fields import Choice, Currency, Identifier, JsonObject, Text, Timestamp, Whole
from kernel.wire.fields import Flag as Switch
from kernel.wire.nested import Batch, ListOf
from kernel.wire.problems import Refused
from kernel.wire.serializers import Body, Reply


class TransactionRequest(Body):
    """A transaction to record, once for each type and reference_id."""

    dialect = dialect
    amount = AmountNumber(
        description="A magnitude where the type is catalogued as credit or debit, else signed. At most 18 digits and 18 decimals."
    )
    type = Text(min_length=1, max_length=TYPE_LENGTH, example="usage")
    reference_id = Text(
        min_length=1, max_length=REFERENCE_LENGTH, description="The caller's key: repeated with the same facts, it replays."
    )
    agent_id = Text(max_length=AGENT_LENGTH, required=False, allow_null=True)
    description = Text(required=False, allow_null=True)
    currency = Currency(required=False, allow_null=True, description="ISO 4217; the account's own where it isn't given.")
    occurred_at = Timestamp(required=False, allow_null=True, description="When it happened in the world; now, where it isn't given.")
    metadata = JsonObject(required=False, allow_null=True)


class BatchRequest(Body):
    """Transactions to record, each on its own merits, or with `atomic` all or none."""

    dialect = dialect
    transactions = Batch(TransactionRequest, max_items=BATCH_LIMIT)
    atomic = Switch(required=False, default=False)


class ReversalRequest(Body):
    """Why, and how much. Without an amount: all that is left of the transaction."""

    dialect = dialect
    reason_code = Choice(ReversalReason.values, required=False, default=str(ReversalReason.OTHER))
    reason = Text(max_length=REASON_LENGTH, required=False, default="")
    amount = AmountNumber(sign="positive", required=False, allow_null=True, description="A part of the transaction, as a magnitude.")
    reference_id = Text(
        min_length=1,
        max_length=REFERENCE_LENGTH,
        required=False,
        allow_null=True,
        description="Required with an amount: the key of this part.",
    )
    description = Text(required=False, allow_null=True)
    occurred_at = Timestamp(required=False, allow_null=True)
    metadata = JsonObject(required=False, allow_null=True)
    may_be_empty = True

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["amount"] is not None and values["reference_id"] is None:
            raise Refused("missing", field="reference_id")
        return values


class TransactionReply(Reply):
    """A line of the wallet."""

    dialect = dialect
    id = Identifier()
    amount = AmountNumber()
    type = Text()
    reference_id = Text()
    agent_id = Text(allow_null=True)
    description = Text(allow_null=True)
    currency = Text()
    balance = AmountNumber(source="balance_after", description="The wallet's balance after this entry.")
    occurred_at = Timestamp(fine=True)
    created_at = Timestamp(fine=True)
    metadata = JsonObject(allow_null=True)
    reverses = Identifier(source="reverses_id", allow_null=True)
    reversed_by = Identifier(source="reversed_by_id", allow_null=True, description="The reversal that took back the last of it.")
    reversed_amount = AmountNumber(description="How much of it reversals have taken back.")
    reason_code = Text()
    reason = Text()
    direction = Choice(Direction.values)
    effect = AmountNumber(description="What it did to the balance.")
    entry_number = Whole(min_value=1)
    flags = ListOf(Choice(Flag.values))
    near_duplicate_of = Identifier(source="near_duplicate_of_id", allow_null=True)
