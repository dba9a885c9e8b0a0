"""/credits and /credits/{id}"""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from credits import selectors, services
from credits.api.filters import GrantQuery, PastQuery
from credits.api.serializers.grants import GrantReply, GrantRequest, VoidRequest, to_grant_reply
from credits.api.views.base import CreditsViewSet
from kernel.api.schema import operation
from kernel.ledger.errors import InvalidValue
from kernel.tenants.callers import act_for


class GrantViewSet(CreditsViewSet):
    @operation(
        summary="Create a credit grant",
        body=GrantRequest,
        reply=GrantReply,
        status=201,
        refuses=("invalid_value", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Creates a grant of prepaid credit for a customer, in units of a currency or of a metric."""
        body = self.read(GrantRequest)
        self._act_for(body.pop("sequence_account_id"))
        unit_type = body.pop("credit_unit_type")
        posted = services.create_grant(**self.audit_context(), unit_type=unit_type, idempotency_key=self.idempotency_key(), **body)
        return self._grant(posted.row._asdict(), status=201, replayed=posted.replayed)

    @operation(summary="List credit grants", query=GrantQuery, reply=GrantReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Returns the tenant's grants, newest first. Deleted grants are left out."""
        query = self.query(GrantQuery)
        rows = selectors.list_grants(tenant_id=self.caller.tenant_id, customer_id=query.pop("customer_id"))
        return self.page(GrantReply, rows, key=("created_at", "id"), written=grant_rows, **query)

    @operation(summary="Get a credit grant", query=PastQuery, reply=GrantReply, reads_past=True)
    def retrieve(self, request: HttpRequest, grant_id: UUID) -> HttpResponse:
        """Returns one grant with its balance: now, or at a moment in the past."""
        query = self.query(PastQuery)
        if query["at"] is None:
            return self._grant(*selectors.with_live_holds([selectors.get_grant(tenant_id=self.caller.tenant_id, grant_id=grant_id)]))
        return self._grant(selectors.grant_balance_at(tenant_id=self.caller.tenant_id, grant_id=grant_id, **self.past_arguments(query)))

    @operation(summary="Delete a credit grant", reply=GrantReply, refuses=("grant_drawn_on",))
    def destroy(self, request: HttpRequest, grant_id: UUID) -> HttpResponse:
        """Deletes a grant. Refused once a transaction or hold has used it."""
        services.delete_grant(**self.audit_context(), grant_id=grant_id)
        return self._grant(selectors.get_grant(tenant_id=self.caller.tenant_id, grant_id=grant_id, deleted=True))

    @operation(summary="Void a credit grant", body=VoidRequest, reply=GrantReply, refuses=("grant_held",))
    def void(self, request: HttpRequest, grant_id: UUID) -> HttpResponse:
        """Closes a grant permanently and debits what is left of it. Refused while a hold reserves a part of it."""
        services.void_grant(**self.audit_context(), grant_id=grant_id, reason=self.read(VoidRequest)["reason"])
        return self._grant(selectors.get_grant(tenant_id=self.caller.tenant_id, grant_id=grant_id))

    def _grant(self, row: dict[str, Any], *, status: int = 200, replayed: bool = False) -> HttpResponse:
        return self.reply(GrantReply, to_grant_reply({"tenant_id": self.caller.tenant_id, **row}), status=status, replayed=replayed)

    def _act_for(self, tenant: str) -> None:
        """Acts for the tenant that the body names. Raises InvalidValue if On-Behalf-Of names another one, NotAuthorized."""
        if tenant == str(self.caller.tenant_id):
            return
        if "On-Behalf-Of" in self.request.headers:
            raise InvalidValue(field="sequence_account_id", reason="other_account")
        self.caller = act_for(self.caller, tenant)


def grant_rows(grants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A page's grants as GrantReply reads them, with `held` counted without overdue holds."""
    return [to_grant_reply(grant) for grant in selectors.with_live_holds(grants)]
