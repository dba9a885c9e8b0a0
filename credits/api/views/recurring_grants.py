"""/credit-schedules"""

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from credits import selectors, services
from credits.api.dialect import without_blanks
from credits.api.filters import RecurringGrantQuery
from credits.api.serializers.recurring_grants import RecurringGrantReply, RecurringGrantRequest
from credits.api.views.base import CreditsViewSet
from kernel.api.schema import operation


class RecurringGrantViewSet(CreditsViewSet):
    @operation(
        summary="Create a recurring credit grant",
        body=RecurringGrantRequest,
        reply=RecurringGrantReply,
        status=201,
        refuses=("invalid_value", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Creates a recurring grant, which issues a grant for each period. Grants that are due already are issued at once."""
        body = self.read(RecurringGrantRequest)
        unit_type = body.pop("credit_unit_type")
        posted = services.create_recurring_grant(
            **self.audit_context(), unit_type=unit_type, idempotency_key=self.idempotency_key(), **body
        )
        row = selectors.get_recurring_grant(tenant_id=self.caller.tenant_id, recurring_grant_id=posted.row.id)
        first = services.recurring_grant_as_made(row) if posted.replayed else row
        return self.reply(RecurringGrantReply, without_blanks(first), status=201, replayed=posted.replayed)

    @operation(summary="List recurring credit grants", query=RecurringGrantQuery, reply=RecurringGrantReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Returns the tenant's recurring grants, newest first."""
        query = self.query(RecurringGrantQuery)
        rows = selectors.list_recurring_grants(tenant_id=self.caller.tenant_id, customer_id=query.pop("customer_id"))
        return self.page(RecurringGrantReply, rows, key=("created_at", "id"), written=lambda rows: map(without_blanks, rows), **query)

    @operation(summary="Get a recurring credit grant", reply=RecurringGrantReply)
    def retrieve(self, request: HttpRequest, recurring_grant_id: UUID) -> HttpResponse:
        """Returns one recurring grant, with the day on which its next grant is issued."""
        return self._recurring_grant(recurring_grant_id)

    @operation(summary="Cancel a recurring credit grant", reply=RecurringGrantReply)
    def destroy(self, request: HttpRequest, recurring_grant_id: UUID) -> HttpResponse:
        """Cancels a recurring grant: no further grant is issued. Grants that it issued stay."""
        services.cancel_recurring_grant(**self.audit_context(), recurring_grant_id=recurring_grant_id)
        return self._recurring_grant(recurring_grant_id)

    def _recurring_grant(self, recurring_grant_id: UUID) -> HttpResponse:
        row = selectors.get_recurring_grant(tenant_id=self.caller.tenant_id, recurring_grant_id=recurring_grant_id)
        return self.reply(RecurringGrantReply, without_blanks(row))
