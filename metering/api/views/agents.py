"""The views of agents, and the list of services."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from metering import selectors, services
from metering.api.filters import AgentQuery, ServiceQuery
from metering.api.serializers.replies import AgentReply, ServiceReply
from metering.api.serializers.requests import AgentChange, AgentRequest
from metering.api.views.base import MeteringViewSet


class AgentViewSet(MeteringViewSet):
    @operation(summary="Create an agent", body=AgentRequest, reply=AgentReply, status=201, refuses=("agent_exists",))
    def create(self, request: HttpRequest) -> HttpResponse:
        """Makes an agent known before its first transaction. The transactions of an `inactive` agent are denied."""
        return self.reply(AgentReply, services.create_agent(**self.audit_context(), **self.read(AgentRequest)), status=201)

    @operation(summary="List agents", query=AgentQuery, reply=AgentReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first, those made known by a transaction included."""
        query = self.query(AgentQuery)
        rows = selectors.list_agents(tenant_id=self.caller.tenant_id, name=query["name"], status=query["status"])
        return self.page(AgentReply, rows, **{name: query[name] for name in ("limit", "after", "before")})

    @operation(summary="Read an agent", reply=AgentReply)
    def retrieve(self, request: HttpRequest, agent_id: UUID) -> HttpResponse:
        """One agent."""
        return self.reply(AgentReply, selectors.get_agent(tenant_id=self.caller.tenant_id, agent_id=agent_id))

    @operation(summary="Change an agent", body=AgentChange, reply=AgentReply)
    def partial_update(self, request: HttpRequest, agent_id: UUID) -> HttpResponse:
        """`{"status": "inactive"}` stops an agent: its new transactions are denied, from the next one on. What is absent stays."""
        return self.reply(AgentReply, services.update_agent(**self.audit_context(), agent_id=agent_id, **self.read(AgentChange)))


class ServiceViewSet(MeteringViewSet):
    @operation(summary="List services", query=ServiceQuery, reply=ServiceReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """What transactions name as their service, newest first."""
        query = self.query(ServiceQuery)
        rows = selectors.list_services(tenant_id=self.caller.tenant_id, name=query["name"])
        return self.page(ServiceReply, rows, **{name: query[name] for name in ("limit", "after", "before")})
