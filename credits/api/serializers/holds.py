"""Bodies and replies of holds."""

from credits.api.dialect import CreditsBody, CreditsReply
from credits.api.serializers.customers import DrawRequest
from credits.api.serializers.transactions import ChosenByReply
from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Identifier, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from kernel.ledger.holds import HoldStatus


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
