"""/credit-schedules"""

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from credits import selectors, services
from credits.api.filters import ScheduleQuery
from credits.api.serializers.recurring_grants import ScheduleReply, ScheduleRequest
from credits.api.views.base import CreditsViewSet, without_blanks
from kernel.api.schema import operation


class ScheduleViewSet(CreditsViewSet):
    @operation(
        summary="Create a recurring credit grant",
        body=ScheduleRequest,
        reply=ScheduleReply,
        status=201,
        refuses=("invalid_value", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Creates a schedule that issues a grant for each period. Grants that are due already are issued at once."""
        body = self.read(ScheduleRequest)
        unit_type = body.pop("credit_unit_type")
        schedule_id, replayed = services.create_recurring_grant(
            **self.audit_context(), unit_type=unit_type, idempotency_key=self.idempotency_key(), **body
        )
        row = selectors.get_schedule(tenant_id=self.caller.tenant_id, schedule_id=schedule_id)
        first = services.recurring_grant_as_made(row) if replayed else row
        return self.reply(ScheduleReply, without_blanks(first), status=201, replayed=replayed)

    @operation(summary="List recurring credit grants", query=ScheduleQuery, reply=ScheduleReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Returns the tenant's schedules, newest first."""
        query = self.query(ScheduleQuery)
        rows = selectors.list_schedules(tenant_id=self.caller.tenant_id, customer_id=query.pop("customer_id"))
        return self.page(ScheduleReply, rows, key=("created_at", "id"), written=lambda rows: map(without_blanks, rows), **query)

    @operation(summary="Get a recurring credit grant", reply=ScheduleReply)
    def retrieve(self, request: HttpRequest, schedule_id: UUID) -> HttpResponse:
        """Returns one schedule, with the day on which its next grant is issued."""
        return self._schedule(schedule_id)

    @operation(summary="Cancel a recurring credit grant", reply=ScheduleReply)
    def destroy(self, request: HttpRequest, schedule_id: UUID) -> HttpResponse:
        """Cancels a schedule: no further grant is issued. Grants that it issued stay."""
        services.cancel_recurring_grant(**self.audit_context(), schedule_id=schedule_id)
        return self._schedule(schedule_id)

    def _schedule(self, schedule_id: UUID) -> HttpResponse:
        row = selectors.get_schedule(tenant_id=self.caller.tenant_id, schedule_id=schedule_id)
        return self.reply(ScheduleReply, without_blanks(row))
