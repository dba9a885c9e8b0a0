"""Agents. A transaction that names a new agent makes it; these functions make one beforehand, and change one."""

from typing import TypedDict, Unpack
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from kernel.base.setting_author import setting_author
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import NotFound
from kernel.ledger.identifiers import new_id
from metering import selectors
from metering.choices import AgentStatus
from metering.models import Agent
from metering.selectors import RowDict


@translate_db_errors
def create_agent(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    label: str,
    name: str | None = None,
    description: str | None = None,
    status: str | None = None,
    customer_id: str | None = None,
) -> RowDict:
    """A new agent. A transaction's `agentName` finds it by its name, which is its label unless given. Raises AgentExists.

    `customer_id`: for which of the tenant's customers it acts, where its transactions name none.
    """
    agent = Agent(
        id=new_id(),
        tenant_id=tenant_id,
        label=label,
        name=label if name is None else name,
        description=description,
        status=status or AgentStatus.ACTIVE,
        customer_id=customer_id,
    )
    with transaction.atomic():
        agent.save(force_insert=True)
    return selectors.get_agent(tenant_id=tenant_id, agent_id=agent.id)


class AgentChanges(TypedDict, total=False):
    """What of an agent can be changed; what isn't named stays."""

    label: str
    description: str | None
    # An inactive agent's new transactions are denied.
    status: str
    customer_id: str | None


@translate_db_errors
def update_agent(*, tenant_id: UUID, actor: str, request_id: str, agent_id: UUID, **changes: Unpack[AgentChanges]) -> RowDict:
    """Change an agent. Raises NotFound."""
    if unknown := changes.keys() - AgentChanges.__annotations__.keys():
        raise TypeError(f"An agent's {', '.join(sorted(unknown))} can't be changed.")
    with setting_author(actor=actor, request_id=request_id):
        updated = Agent.objects.filter(tenant_id=tenant_id, id=agent_id).update(**changes, updated_at=Now())
    if not updated:
        raise NotFound(kind="agent", id=agent_id)
    return selectors.get_agent(tenant_id=tenant_id, agent_id=agent_id)
