"""The views of deliveries."""

from types import SimpleNamespace

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from kernel.events.api.filters import DeliveryQuery, conditions_of, place_of
from kernel.events.api.serializers import DeliveryDetailReply, DeliveryReply
from kernel.events.api.views.base import WebhooksViewSet, delivery_id_of, endpoint_id_of
from kernel.events.rendering import body_of
from kernel.events.selectors import deliveries as selectors
from kernel.events.selectors.endpoints import get_endpoint
from kernel.events.services.resending import resend_delivery


class DeliveryViewSet(WebhooksViewSet):
    @operation(summary="List an endpoint's deliveries", query=DeliveryQuery, reply=DeliveryReply, paged=True)
    def list(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Newest first; also of a deleted endpoint. Kept for 90 days, the log of attempts for 30."""
        query, tenant_id = self.query(DeliveryQuery), self.caller.tenant_id
        row = get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id_of(endpoint_id), also_deleted=True)
        rows = selectors.list_deliveries(tenant_id=tenant_id, endpoint_id=row.id, **conditions_of(query))
        return self.page(DeliveryReply, rows, **place_of(query))

    @operation(summary="Read a delivery", reply=DeliveryDetailReply)
    def retrieve(self, request: HttpRequest, delivery_id: str) -> HttpResponse:
        """A delivery with the bytes that are sent, and of every attempt the request's headers and the answer."""
        tenant_id = self.caller.tenant_id
        row = selectors.get_delivery(tenant_id=tenant_id, delivery_id=delivery_id_of(delivery_id))
        attempts = selectors.list_attempts(tenant_id=tenant_id, delivery_id=row.id)
        return self.reply(DeliveryDetailReply, SimpleNamespace(delivery=row, body=body_of(row.event), attempts=attempts))

    @operation(
        summary="Replay a delivery",
        reply=DeliveryReply,
        status=202,
        refuses=("endpoint_disabled", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def replay(self, request: HttpRequest, delivery_id: str) -> HttpResponse:
        """Sends the event to the same endpoint again, whatever became of it: a new delivery with the same event id and the same bytes."""
        resent = resend_delivery(**self.audit_context(), delivery_id=delivery_id_of(delivery_id), idempotency_key=self.idempotency_key())
        return self.reply(DeliveryReply, resent.row, status=202, replayed=resent.replayed)
