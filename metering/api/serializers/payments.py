"""Replies about payments."""

from typing import Any

from kernel.api.amounts import AmountText
from kernel.api.fields import Choice, Currency, Identifier, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from metering.api.serializers.base import MeteringReply
from metering.paying.choices import LegKind, PaymentKind, PaymentStatus


class ProtocolMetadataReply(MeteringReply):
    """`payer`: the customer whose credits pay first. `unpaidAmount`: what the transaction cost beyond its holds and nobody covered."""

    payer = Text(source="customer_id")
    hold_expires_at = Timestamp()
    captured_amount = AmountText(full=True, source="captured")
    unpaid_amount = AmountText(full=True, source="unpaid")


class PaymentReply(MeteringReply):
    """Money held for a transaction, and what became of it. `amount` is what was held, in `token`."""

    id = Identifier()
    transaction_id = Identifier()
    protocol = Choice(PaymentKind.values, source="kind")
    token = Currency(source="currency")
    amount = AmountText(full=True)
    status = Choice(PaymentStatus.values)
    protocol_metadata = Nested(ProtocolMetadataReply)
    created_at = Timestamp()
    updated_at = Timestamp()
    authorized_at = Timestamp(source="created_at")
    completed_at = Timestamp(source="closed_at", required=False)

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        return super().plain(row | {"protocol_metadata": row})


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
