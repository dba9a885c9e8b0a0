"""Reads of agents."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from kernel.ledger.errors import NotFound
from metering.models import Agent
from metering.selectors.rows import RowDict

AGENT = ("id", "tenant_id", "label", "name", "description", "status", "created_at", "updated_at", "customer_id")


def list_agents(*, tenant_id: UUID, name: str | None = None, status: str | None = None) -> QuerySet[Any, Any]:
    """The tenant's agents."""
    conditions = Q(tenant_id=tenant_id)
    if name is not None:
        conditions &= Q(name=name)
    if status is not None:
        conditions &= Q(status=status)
    found: QuerySet[Any, Any] = Agent.objects.filter(conditions).values(*AGENT)
    return found


def get_agent(*, tenant_id: UUID, agent_id: UUID) -> RowDict:
    """One agent with the columns of AGENT. Raises NotFound."""
    found: Any = list_agents(tenant_id=tenant_id).filter(id=agent_id).first()
    if found is None:
        raise NotFound(kind="agent", id=agent_id)
    return found
