"""The views of one payment: its captures, its end and its release."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from metering.api.serializers.payments import CaptureRequest, ExtensionRequest, PaymentReply, ReleaseRequest
from metering.api.views.base import MeteringViewSet
from metering.paying import selectors, services
from metering.paying.choices import CallKind


class PaymentViewSet(MeteringViewSet):
    @operation(
        summary="Capture a payment",
        body=CaptureRequest,
        reply=PaymentReply,
        refuses=("payment_closed", "payment_collected", "payment_exceeded", "payment_hold_ended", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def capture(self, request: HttpRequest, transaction_id: UUID, payment_id: UUID) -> HttpResponse:
        """Takes what the payment of a prepaying tenant holds, or `amount` of it, credits first, and releases the rest; with `final` false
        the rest stays held. What was taken is then what the transaction cost, in place of its estimates in that currency.

        A final capture happens once, and repeating it changes nothing. One that isn't final needs an Idempotency-Key. The payment of a 402
        is collected by whom it pays, once."""
        body, key = self.read(CaptureRequest), self.idempotency_key()
        payment_ids: dict[str, Any] = {"transaction_id": transaction_id, "payment_id": payment_id}
        posted = services.capture_payment(**self.audit_context(), **payment_ids, idempotency_key=key, **body)
        return self._after(payment_ids, CallKind.CAPTURED, key, replayed=posted.replayed)

    @operation(
        summary="Extend a payment",
        body=ExtensionRequest,
        reply=PaymentReply,
        refuses=("payment_closed", "payment_hold_ended", "idempotency_conflict", "invalid_value"),
        idempotent=True,
        replays=True,
    )
    def extend(self, request: HttpRequest, transaction_id: UUID, payment_id: UUID) -> HttpResponse:
        """Gives the payment a later `holdExpiresAt`, within the tenant's longest time for a hold. Needs an Idempotency-Key. Of the payment
        of a 402 it says until when it can be collected."""
        body, key = self.read(ExtensionRequest), self.idempotency_key()
        payment_ids: dict[str, Any] = {"transaction_id": transaction_id, "payment_id": payment_id}
        posted = services.extend_payment(**self.audit_context(), **payment_ids, idempotency_key=key, **body)
        return self._after(payment_ids, CallKind.EXTENDED, key, replayed=posted.replayed)

    @operation(
        summary="Release a payment", body=ReleaseRequest, reply=PaymentReply, refuses=("payment_closed", "payment_presented"), replays=True
    )
    def release(self, request: HttpRequest, transaction_id: UUID, payment_id: UUID) -> HttpResponse:
        """Releases what the payment still holds. Repeating the call changes nothing. What its transaction costs in the end is debited when
        it is completed. A payment of a 402 that the resource has seen can't be taken back."""
        payment_ids: dict[str, Any] = {"transaction_id": transaction_id, "payment_id": payment_id}
        reason = self.read(ReleaseRequest)["reason"] or ""
        selectors.get_payment(tenant_id=self.caller.tenant_id, **payment_ids)
        posted = services.release_payment(**self.audit_context(), payment_id=payment_id, reason=reason)
        return self._after(payment_ids, CallKind.RELEASED, None, replayed=posted.replayed)

    def _after(self, payment_ids: dict[str, Any], kind: str, key: str | None, *, replayed: bool) -> HttpResponse:
        """A repeated call gets the first reply, whatever became of the payment since."""
        payment = selectors.get_payment(tenant_id=self.caller.tenant_id, **payment_ids)
        return self.reply(PaymentReply, selectors.payment_after_call(payment, kind=kind, idempotency_key=key), replayed=replayed)
