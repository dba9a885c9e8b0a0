"""The views of webhook endpoints."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from kernel.events.api.filters import EndpointQuery, place_of
from kernel.events.api.serializers import (
    CreatedReply,
    EndpointChange,
    EndpointReply,
    EndpointRequest,
    RecoveryReply,
    RecoveryRequest,
    RotationRequest,
    SecretReply,
    StatsReply,
    TestReply,
    TestRequest,
)
from kernel.events.api.views.base import WebhooksViewSet, endpoint_id_of
from kernel.events.selectors import endpoints as selectors
from kernel.events.services import endpoints as services
from kernel.events.services.endpoint_tests import send_test
from kernel.events.services.resending import recover_deliveries


class EndpointViewSet(WebhooksViewSet):
    # Who may only read, or only write, may not read what signs.
    rights = {"secret": "secrets"}

    def change_arguments(self, endpoint_id: str) -> dict[str, Any]:
        """The arguments that every change of an endpoint takes: who changes which one."""
        return self.audit_context() | {"endpoint_id": endpoint_id_of(endpoint_id)}

    @operation(
        summary="Create an endpoint",
        body=EndpointRequest,
        reply=CreatedReply,
        status=201,
        refuses=("invalid_value", "url_refused", "endpoint_limit", "signing_key_missing", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """A new endpoint, of at most 20. The reply has the secret that signs what is sent to it."""
        body = self.read(EndpointRequest)
        created = services.create_endpoint(**self.audit_context(), idempotency_key=self.idempotency_key(), **body)
        return self.reply(CreatedReply, created, status=201, replayed=created.replayed)

    @operation(summary="List endpoints", query=EndpointQuery, reply=EndpointReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first, without those that are deleted."""
        query = self.query(EndpointQuery)
        rows = selectors.list_endpoints(tenant_id=self.caller.tenant_id, status=query["status"])
        return self.page(EndpointReply, rows, **place_of(query))

    @operation(summary="Read an endpoint", reply=EndpointReply)
    def retrieve(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """An endpoint with its health."""
        row = selectors.get_endpoint(tenant_id=self.caller.tenant_id, endpoint_id=endpoint_id_of(endpoint_id))
        return self.reply(EndpointReply, row)

    @operation(
        summary="Change an endpoint",
        body=EndpointChange,
        reply=EndpointReply,
        refuses=("invalid_value", "url_refused", "version_conflict"),
    )
    def partial_update(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Changes what the body names. `status: disabled` stops sending; what is missed can be recovered after `status: enabled`."""
        return self.reply(EndpointReply, services.change_endpoint(**self.change_arguments(endpoint_id), **self.read(EndpointChange)))

    @operation(summary="Delete an endpoint", status=204)
    def destroy(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Deletes an endpoint for good. The log of its deliveries stays."""
        services.delete_endpoint(**self.change_arguments(endpoint_id))
        return HttpResponse(status=204)

    @operation(summary="Read the secret", reply=SecretReply, refuses=("signing_key_missing",))
    def secret(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """The secret that signs. Needs the right `webhooks:secrets`; who read it is recorded."""
        return self.reply(SecretReply, services.reveal_secret(**self.change_arguments(endpoint_id)))

    @operation(
        summary="Rotate the secret",
        body=RotationRequest,
        reply=EndpointReply,
        refuses=("grace_running", "signing_key_missing", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def rotate_secret(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """A new secret, which GET …/secret shows. Until the grace period is over, both sign: the signature header has two signatures."""
        body = self.read(RotationRequest)
        rotated = services.rotate_secret(
            **self.change_arguments(endpoint_id),
            grace_seconds=body["grace_period_seconds"],
            force=body["force"],
            idempotency_key=self.idempotency_key(),
        )
        return self.reply(EndpointReply, rotated.row, replayed=rotated.replayed)

    @operation(summary="Delete the previous secret", status=204)
    def drop_previous_secret(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Ends the grace period of a rotation: the previous secret signs no more."""
        services.drop_previous_secret(**self.change_arguments(endpoint_id))
        return HttpResponse(status=204)

    @operation(
        summary="Send a test",
        body=TestRequest,
        reply=TestReply,
        refuses=("invalid_value", "endpoint_disabled", "signing_key_missing", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def test(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Sends the example of a type now, as an event `webhook.test`, and answers with what the endpoint answered."""
        sent = send_test(**self.change_arguments(endpoint_id), idempotency_key=self.idempotency_key(), **self.read(TestRequest))
        return self.reply(TestReply, sent, replayed=sent.replayed)

    @operation(
        summary="Recover what was missed",
        body=RecoveryRequest,
        reply=RecoveryReply,
        status=202,
        refuses=("invalid_value", "endpoint_disabled", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def recover(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Sends again what was tried since a moment and never delivered; with `onlyFailed: false` also what was never tried, because the
        endpoint was disabled or didn't exist. At most 10,000 events in one call: `nextSince` says where the next one begins."""
        recovery = recover_deliveries(
            **self.change_arguments(endpoint_id), idempotency_key=self.idempotency_key(), **self.read(RecoveryRequest)
        )
        return self.reply(RecoveryReply, recovery, status=202, replayed=recovery.replayed)

    @operation(summary="Read an endpoint's statistics", reply=StatsReply)
    def stats(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Deliveries by state, the share that was delivered, and how long attempts took, of the last 24 hours and 7 days."""
        tenant_id = self.caller.tenant_id
        row = selectors.get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id_of(endpoint_id))
        return self.reply(StatsReply, selectors.get_stats(tenant_id=tenant_id, endpoint=row))
