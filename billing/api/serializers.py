"""The bodies and replies of the billing API."""

from typing import Any

from billing.api.dialect import dialect
from billing.choices import AGENT_LENGTH, REASON_LENGTH, REFERENCE_LENGTH, TYPE_LENGTH, Direction, Flag, ReversalReason
from kernel.api.amounts import AmountNumber
from kernel.api.fields import Boolean, Choice, Currency, Field, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import Batch, ListOf, Nested
from kernel.api.problems import Refused
from kernel.api.serializers import Body, Reply
from kernel.ledger.clocks import Clock
from kernel.ledger.holds import HoldStatus


class TransactionRequest(Body):
    """A transaction to record, once for each type and reference_id."""

    dialect = dialect
    ignores_unknown = True
    amount = AmountNumber(
        description="A magnitude where the type is catalogued as credit or debit, else signed. At most 18 digits and 18 decimals."
    )
    type = Text(min_length=1, max_length=TYPE_LENGTH, is_key=True, example="usage")
    reference_id = Text(
        is_key=True, min_length=1, max_length=REFERENCE_LENGTH, description="The caller's key: repeated with the same facts, it replays."
    )
    agent_id = Text(max_length=AGENT_LENGTH, is_key=True, required=False, allow_null=True)
    description = Text(required=False, allow_null=True)
    currency = Currency(required=False, allow_null=True, description="ISO 4217; default: the tenant's own.")
    occurred_at = Timestamp(required=False, allow_null=True, description="When it happened; default: the time of booking.")
    metadata = JsonObject(required=False, allow_null=True)


class AlertRequest(Body):
    """The balance below which a wallet is low."""

    dialect = dialect
    alert_below = AmountNumber(allow_null=True, description="Going below it, and coming back to it, are events; null for none.")
    currency = Currency(
        required=False, allow_null=True, description="Of the wallet, which is opened if there is none; default: the tenant's own."
    )


class TransactionItem(TransactionRequest):
    """A transaction of a batch."""

    ignores_unknown = False


class BatchRequest(Body):
    """Transactions to record, each independently, or with `atomic` all or none."""

    dialect = dialect
    transactions = Batch(TransactionItem)
    atomic = Boolean(required=False, default=False)


class ReversalRequest(Body):
    """Why to reverse, and how much. Without an amount: all that remains of the transaction."""

    dialect = dialect
    reason_code = Choice(ReversalReason.values, required=False, default=str(ReversalReason.OTHER))
    reason = Text(max_length=REASON_LENGTH, required=False, default="")
    amount = AmountNumber(sign="positive", required=False, allow_null=True, description="A part of the transaction, as a magnitude.")
    reference_id = Text(
        is_key=True,
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


class TextOrNull(Text):
    """A text that is stored as an empty string where there is none."""

    def plain(self, value: Any) -> Any:
        return value or None


class TransactionReply(Reply):
    """An entry of a wallet."""

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
    reversed_by = Identifier(source="reversed_by_id", allow_null=True, description="The reversal after which nothing of it remains.")
    reversed_amount = AmountNumber(description="How much of it is reversed, as a magnitude.")
    reason_code = TextOrNull(allow_null=True, description="Of a reversal.")
    reason = TextOrNull(allow_null=True, description="Of a reversal.")
    direction = Choice(Direction.values)
    effect = AmountNumber(description="What it did to the balance.")
    entry_number = Integer(min_value=1)
    flags = ListOf(Choice(Flag.values))
    near_duplicate_of = Identifier(source="near_duplicate_of_id", allow_null=True)


class HoldRequest(Body):
    """An amount of the wallet to reserve, once for each reference_id."""

    dialect = dialect
    amount = AmountNumber(sign="positive", description="What to reserve. At most 18 digits and 18 decimals.")
    expires_at = Timestamp(description="Until when; from this moment on the hold reserves nothing.")
    reference_id = Text(
        is_key=True, min_length=1, max_length=REFERENCE_LENGTH, description="The caller's key: repeated with the same facts, it replays."
    )
    currency = Currency(required=False, allow_null=True, description="ISO 4217; default: the tenant's own.")
    reason = Text(max_length=REASON_LENGTH, required=False, default="")
    allow_overdraft = Boolean(
        required=False,
        default=False,
        description="On a wallet without a floor, reserve also what isn't there; else its floor counts as 0.",
    )


class CaptureRequest(Body):
    """What to debit of a hold. Without an amount: all that it still reserves."""

    dialect = dialect
    may_be_empty = True
    amount = AmountNumber(sign="positive", required=False, allow_null=True)
    final = Boolean(required=False, default=True, description="False keeps the rest reserved, for further captures; else it is released.")
    reference_id = Text(
        is_key=True,
        min_length=1,
        max_length=REFERENCE_LENGTH,
        required=False,
        allow_null=True,
        description="The key of this capture, and the debit's reference_id. Required where `final` is false; default: the hold's own.",
    )
    agent_id = Text(max_length=AGENT_LENGTH, is_key=True, required=False, allow_null=True, description="Of the debit.")
    description = Text(required=False, allow_null=True, description="Of the debit.")
    metadata = JsonObject(required=False, allow_null=True, description="Of the debit.")

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        if not values["final"] and values["reference_id"] is None:
            raise Refused("missing", field="reference_id")
        return values


class ReleaseRequest(Body):
    """Why the hold is released."""

    dialect = dialect
    may_be_empty = True
    reason = Text(max_length=REASON_LENGTH, required=False, default="")


class ExtensionRequest(Body):
    """A later end for a hold, once for each reference_id."""

    dialect = dialect
    expires_at = Timestamp(description="Later than the hold's present end.")
    reference_id = Text(is_key=True, min_length=1, max_length=REFERENCE_LENGTH, description="The key of this extension.")


class HoldReply(Reply):
    """A hold: an amount of the wallet that only its captures can debit, until it expires."""

    dialect = dialect
    id = Identifier()
    currency = Text()
    amount = AmountNumber()
    captured = AmountNumber(description="What its captures debited.")
    held = AmountNumber(description="What is still reserved.")
    reference_id = Text()
    reason = TextOrNull(allow_null=True)
    allow_overdraft = Boolean()
    status = Choice(HoldStatus.values)
    expires_at = Timestamp(fine=True)
    created_at = Timestamp(fine=True)
    closed_at = Timestamp(fine=True, allow_null=True)


class CaptureReply(HoldReply):
    """A hold after a capture."""

    dialect = dialect
    transaction_id = Identifier(allow_null=True, description="The debit of this capture; null where nothing was left to capture.")


class WalletReply(Reply):
    """What a tenant has in one currency. At a past moment, after its newest entry of that time."""

    dialect = dialect
    currency = Text()
    balance = AmountNumber()
    held = AmountNumber(description="How much of the balance holds reserve.")
    available = AmountNumber(source="unheld", description="The balance less what is held; a floor is not taken off.")
    floor = AmountNumber(
        allow_null=True, description="The balance, less what is held, below which no debit may go, today's at any moment; null for none."
    )
    alert_below = AmountNumber(
        allow_null=True, description="The balance below which it is low, today's too, which is an event; null for none."
    )
    entry_number = Integer(
        source="last_entry_number",
        allow_null=True,
        description="The number of the newest entry; null at a moment of world time, because entries are numbered as they are booked.",
    )
    updated_at = Timestamp(
        source="last_entry_at",
        fine=True,
        allow_null=True,
        description="When the newest entry was booked; null where there was none, and at a moment of world time.",
    )


class WalletsReply(Reply):
    """The balance in one currency, and all wallets of the tenant."""

    dialect = dialect
    currency = Text()
    balance = AmountNumber(description="In this currency; zero where there is no wallet yet.")
    as_of = Timestamp(fine=True, allow_null=True, description="The moment of the balances; null for now.")
    wallets = ListOf(Nested(WalletReply))


class TypeReply(Reply):
    """A transaction type, and what its amounts do to the wallet."""

    dialect = dialect
    code = Text()
    label = Text()
    direction = Choice(Direction.values)
    is_catalogued = Boolean(description="False for one that came in with a transaction; its amounts count with their own sign.")


class TypesReply(Reply):
    """The tenant's catalogue of types."""

    dialect = dialect
    items = ListOf(Nested(TypeReply))


class TypeTotalReply(Reply):
    """Sums of the entries of one type: magnitudes, except for the net."""

    dialect = dialect
    type = Text()
    entries = Integer()
    credits = AmountNumber()
    debits = AmountNumber()
    net = AmountNumber()


class LineReply(Reply):
    """An entry in a statement."""

    dialect = dialect
    entry_number = Integer()
    id = Identifier()
    created_at = Timestamp(fine=True)
    occurred_at = Timestamp(fine=True)
    type = Text()
    reference_id = Text()
    agent_id = Text(allow_null=True)
    description = Text(allow_null=True)
    amount = AmountNumber()
    effect = AmountNumber()
    balance = AmountNumber(description="After this entry, in the statement's order.")
    reverses = Identifier(source="reverses_id", allow_null=True)
    reason = TextOrNull(allow_null=True)


class StatementReply(Reply):
    """A wallet's statement: opening balance + entries = closing balance."""

    dialect = dialect
    currency = Text()
    since = Timestamp(wire_name="from", fine=True)
    until = Timestamp(wire_name="to", fine=True, description="Not part of the period.")
    clock = Choice(Clock.values, wire_name="basis")
    omits_absent = True
    opening_balance = AmountNumber()
    closing_balance = AmountNumber()
    held = AmountNumber(description="How much of the closing balance holds reserve.")
    entry_count = Integer()
    totals = ListOf(Nested(TypeTotalReply))
    # Written last, one by one.
    entries = ListOf(Nested(LineReply), required=False)


class AgentTotalReply(TypeTotalReply):
    """Sums of an agent's entries of one type in one currency."""

    dialect = dialect
    currency = Text()
    first_at = Timestamp(fine=True)
    last_at = Timestamp(fine=True)


class NetReply(Reply):
    """All of an agent's entries in one currency."""

    dialect = dialect
    currency = Text()
    entries = Integer()
    net = AmountNumber()


class AgentReply(Reply):
    """Sums of an agent's entries: by currency, and by currency and type."""

    dialect = dialect
    agent_id = Text()
    currencies = ListOf(Nested(NetReply))
    totals = ListOf(Nested(AgentTotalReply))


class Detail(Field):
    """What an error says: a sentence, or a list of errors."""

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}


class BatchOutcomeReply(Reply):
    """What became of one transaction of a batch: its entry, or the status and detail it would have got alone."""

    dialect = dialect
    omits_absent = True
    status = Integer()
    replayed = Boolean(required=False)
    transaction = Nested(TransactionReply, required=False)
    detail = Detail(required=False, description="As in the error body of this status: a string, or for 422 the list of errors.")


class BatchReply(Reply):
    """One outcome for each transaction, in order."""

    dialect = dialect
    results = ListOf(Nested(BatchOutcomeReply))
    recorded = Integer(description="How many are new in the ledger.")
    replayed = Integer()
    refused = Integer()
