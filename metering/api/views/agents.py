"""The views of agents."""

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from metering import selectors
from metering.api.filters import AgentQuery
from metering.api.serializers.replies import AgentReply
from metering.api.serializers.requests import AgentRequest
from metering.api.views.base import MeteringViewSet
from metering.services import agents


class AgentViewSet(MeteringViewSet):
    @operation(summary="Create an agent", body=AgentRequest, reply=AgentReply, status=201, refuses=("agent_exists",))
    def create(self, request: HttpRequest) -> HttpResponse:
        """Makes an agent known before its first transaction. The transactions of an `inactive` agent are denied."""
        return self.reply(AgentReply, agents.create_agent(**self.audit_context(), **self.read(AgentRequest)), status=201)

    @operation(summary="List agents", query=AgentQuery, reply=AgentReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first, those made known by a transaction included."""
        query = self.query(AgentQuery)
        rows = selectors.list_agents(tenant_id=self.caller.tenant_id, name=query["name"], status=query["status"])
        return self.page(AgentReply, rows, **{name: query[name] for name in ("limit", "after", "before")})
