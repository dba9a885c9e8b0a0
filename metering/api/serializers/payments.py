"""Replies about payments."""

import json
from decimal import Decimal
from typing import Any

from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from metering.api.serializers.base import MeteringBody, MeteringReply
from metering.paying.choices import LEDGER, OPEN_STATUSES, LegKind, PaymentKind, PaymentStatus


class CaptureRequest(MeteringBody):
    """What to take of a payment. Without an amount: all that it still holds."""

    may_be_empty = True
    amount = AmountText(required=False, sign="positive", description="All of it by default.")
    final = Boolean(required=False, default=True, description="False keeps the rest held, for further captures; else it is released.")


class ExtensionRequest(MeteringBody):
    expires_at = Timestamp(description="Later than the payment's present `holdExpiresAt`.")


class ReleaseRequest(MeteringBody):
    may_be_empty = True
    reason = Text(required=False, max_length=1000)


class SettlementReply(MeteringReply):
    """What the resource was answered when it collected the payment. `receipt`: of a transfer outside of the ledgers, its id there."""

    transaction = Identifier(source="settlement_id")
    receipt = Text(required=False, omitted=True)
    settled_at = Timestamp()


class ProtocolMetadataReply(MeteringReply):
    """`payer`: the customer whose credits pay first. `heldAmount`: what is still held. `unpaidAmount`: what the transaction cost beyond
    its holds and nobody covered.

    `unconfirmed`: paid outside of the ledgers, and nobody has said whether and how much. Of the payment of a 402 also `expiresAt`, until
    when the resource must have seen it, and `holdExpiresAt`, until when it may collect.
    """

    x402_version = Integer(wire_name="x402Version", required=False, omitted=True)
    resource = Text(required=False, omitted=True)
    accepts_index = Integer(required=False, omitted=True)
    expires_at = Timestamp(required=False, omitted=True)
    settlement = Nested(SettlementReply, required=False, omitted=True)
    payer = Text(source="customer_id")
    hold_expires_at = Timestamp()
    held_amount = AmountText(full=True, source="held")
    captured_amount = AmountText(full=True, source="captured")
    unpaid_amount = AmountText(full=True, source="unpaid")
    unconfirmed = Boolean(required=False, omitted=True)


class PaymentReply(MeteringReply):
    """Money held for a transaction, and what became of it. `amount` is what was held, in `token`."""

    # The payment of a 402 also shows which option of its challenge it pays.

    id = Identifier()
    transaction_id = Identifier()
    protocol = Choice(PaymentKind.values, source="kind")
    network = Text(required=False, omitted=True)
    scheme = Text(required=False, omitted=True)
    token = Text(source="currency")
    amount = AmountText(full=True)
    pay_to = Text(required=False, omitted=True)
    pay_to_type = Choice(("account", "address"), required=False, omitted=True)
    status = Choice(PaymentStatus.values)
    protocol_metadata = Nested(ProtocolMetadataReply)
    created_at = Timestamp()
    updated_at = Timestamp()
    authorized_at = Timestamp(source="created_at")
    completed_at = Timestamp(source="closed_at", required=False)

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        held = row["amount"] - row["captured"] if row["status"] in OPEN_STATUSES else Decimal(0)
        is_outside = row["payer"] != LEDGER
        row = {**row, "held": held, "unconfirmed": True if row["is_unconfirmed"] else None}
        token = row.get("token")
        if token is None:
            return super().plain({**row, "protocol_metadata": row})
        challenge = json.loads(token["challenge"])
        metadata = {
            **row,
            "x402_version": challenge["version"],
            "resource": challenge["resource"],
            "accepts_index": challenge["index"],
            "expires_at": token["expires_at"],
            "settlement": None if token["settled_at"] is None else token | {"receipt": token["receipt"] or None},
        }
        named = {name: token[name] for name in ("network", "scheme", "pay_to")}
        return super().plain({**row, **named, "pay_to_type": "address" if is_outside else "account", "protocol_metadata": metadata})


class PayablePaymentReply(PaymentReply):
    """A payment with what is sent to the resource, as the header `PAYMENT-SIGNATURE` or for version 1 `X-PAYMENT`. The payee can collect
    with it, so only replies about this one transaction have it, and only until the payment is over."""

    authorization_payload = JsonObject(required=False, omitted=True)


class LegReply(MeteringReply):
    """A part of a payment: a hold of credits or of the wallet, or (`entryId`) a debit beyond the holds."""

    kind = Choice(LegKind.values)
    hold_id = Identifier(required=False)
    entry_id = Identifier(required=False)
    amount = AmountText(full=True)
    captured_amount = AmountText(full=True, source="captured")


class PaymentWithLegsReply(PaymentReply):
    legs = ListOf(Nested(LegReply))


class PaymentsReply(MeteringReply):
    """Every payment of a transaction, oldest first."""

    payments = ListOf(Nested(PaymentWithLegsReply))
