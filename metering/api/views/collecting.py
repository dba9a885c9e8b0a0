"""The views of the facilitator (x402): resource servers verify and collect payments, and list what they collected."""

from dataclasses import asdict
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from kernel.ledger.money import trimmed_digits
from metering.api.filters import PageQuery
from metering.api.serializers.collecting import CollectionReply, FacilitatorRequest, SettleReply, SupportedReply, VerifyReply
from metering.api.views.base import MeteringViewSet
from metering.paying import selectors, services
from metering.paying.payers import SCHEMES, own_networks

COLLECT = "collect"


class FacilitatorViewSet(MeteringViewSet):
    ledger = "payments"
    rights: ClassVar = dict.fromkeys(("supported", "verify", "settle", "collections"), COLLECT)

    @operation(summary="List what can be collected", reply=SupportedReply)
    def supported(self, request: HttpRequest) -> HttpResponse:
        """The schemes and networks of which payments are verified and collected here. The key needs the scope `payments:collect`."""
        kinds = [{"x402_version": 2, "scheme": scheme, "network": network} for network in own_networks() for scheme in reversed(SCHEMES)]
        return self.reply(SupportedReply, {"kinds": kinds, "extensions": [], "signers": "{}"})

    @operation(summary="Verify a payment", body=FacilitatorRequest, reply=VerifyReply)
    def verify(self, request: HttpRequest) -> HttpResponse:
        """Whether the payment that a client sent is good for what your resource asked for. It moves no money. From then on the client can't
        take it back, and you may collect it until the claim `holdExp` of its token.

        `paymentRequirements` is the option of your challenge. A payment that isn't good is an answer with `isValid` false, not an error;
        `invalidReason` is a word of the protocol."""
        verified = services.verify_payment(**self.audit_context(), **self._payment())
        return self.reply(VerifyReply, asdict(verified) | {"is_valid": verified.reason is None})

    @operation(summary="Collect a payment", body=FacilitatorRequest, reply=SettleReply)
    def settle(self, request: HttpRequest) -> HttpResponse:
        """Collects a payment: `paymentRequirements.amount` is what your resource used, at most what the payment is about; `0` releases it.
        The rest of what was held is free again.

        The same amount again gets the same answer, so a lost reply is asked for again; another amount is refused with `settle_conflict`."""
        settled = services.settle_payment(**self.audit_context(), **self._payment())
        row = asdict(settled) | {"success": settled.reason is None, "transaction": str(settled.settlement_id or "")}
        amount = None if settled.amount is None else trimmed_digits(settled.amount)
        return self.reply(SettleReply, row | {"amount": amount})

    @operation(summary="List what you collected", query=PageQuery, reply=CollectionReply, paged=True)
    def collections(self, request: HttpRequest) -> HttpResponse:
        """Newest first. What was collected is `due` until it is in your wallet as revenue, which takes a minute or two."""
        query = self.query(PageQuery)
        rows = selectors.list_collections(payee_tenant_id=self.caller.tenant_id)
        place = {name: query[name] for name in ("limit", "after", "before")}
        return self.page(CollectionReply, rows, key=("created_at", "id"), **place)

    def _payment(self) -> dict[str, Any]:
        body = self.read(FacilitatorRequest)
        return {"payload": body["payment_payload"], "requirements": body["payment_requirements"]}
