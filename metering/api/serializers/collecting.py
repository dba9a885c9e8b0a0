"""Bodies and replies of the facilitator (x402), which resource servers call."""

from typing import Any

from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Currency, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from metering.api.serializers.base import MeteringBody, MeteringReply
from metering.paying.payers import SCHEMES


class FacilitatorRequest(MeteringBody):
    """The payment that a client sent with its request, and what the resource had asked for."""

    ignores_unknown = True

    x402_version = Integer(wire_name="x402Version", required=False, allow_null=True)
    payment_payload = JsonObject()
    payment_requirements = JsonObject()


class KindReply(MeteringReply):
    x402_version = Integer(wire_name="x402Version")
    scheme = Choice(SCHEMES)
    network = Text()


class SupportedReply(MeteringReply):
    """What can be verified and collected here."""

    kinds = ListOf(Nested(KindReply))
    extensions = ListOf(Text())
    signers = JsonObject()


class VerifyReply(MeteringReply):
    """Whether a payment is good. `payer`: the account that pays."""

    is_valid = Boolean()
    payer = Text(required=False, omitted=True)
    invalid_reason = Text(source="reason", required=False, omitted=True)
    invalid_message = Text(source="message", required=False, omitted=True)


class SettleReply(MeteringReply):
    """What was collected. `transaction`: the id of that; the empty text where nothing was."""

    success = Boolean()
    transaction = Text()
    network = Text()
    payer = Text(required=False, omitted=True)
    amount = Text(required=False, omitted=True)
    error_reason = Text(source="reason", required=False, omitted=True)
    error_message = Text(source="message", required=False, omitted=True)


class CollectionReply(MeteringReply):
    """What was collected of one payment: `due`, or `posted` once it is in the payee's wallet. There its `reference_id` is `payment:` and
    the payment's id."""

    id = Identifier()
    payment_id = Identifier()
    pay_to = Text()
    amount = AmountText(full=True)
    currency = Currency()
    status = Choice(("due", "posted"))
    created_at = Timestamp()
    posted_at = Timestamp(required=False)

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        return super().plain({**row, "status": "due" if row["posted_at"] is None else "posted"})
