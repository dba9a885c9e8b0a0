"""The pages of agents and services: what they spend, the rules that apply, and the switch of an agent."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from kernel.ledger.admin.settings import SettingForm, setting_action
from metering import services
from metering.admin.spend import SpendAdmin
from metering.choices import AgentStatus
from metering.models import Agent, Service


class SwitchForm(SettingForm):
    """Sets an agent's status. The other one undoes it."""

    status: ClassVar[AgentStatus]

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.update_agent(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, agent_id=self.row.pk, status=self.status)


class SwitchOffForm(SwitchForm):
    title = "Switch off"
    description = "New calls of the agent are recorded and denied from now on. Calls that run go on. “Switch on” undoes it."
    icon = "power_settings_new"
    is_destructive = True
    status = AgentStatus.INACTIVE


class SwitchOnForm(SwitchForm):
    title = "Switch on"
    description = "New calls of the agent are decided by the rules again. “Switch off” undoes it."
    icon = "power_settings_new"
    status = AgentStatus.ACTIVE


@admin.register(Agent)
class AgentAdmin(SpendAdmin):
    spender = "agent"
    actions_detail = ("switch_off", "switch_on")
    switch_off = setting_action(SwitchOffForm, name="switch-off")
    switch_on = setting_action(SwitchOnForm, name="switch-on")
    list_display = ("name", "tenant", "label", "status", "created_at")
    list_select_related = ("tenant",)
    list_filter = ("status",)
    search_fields, search_parts = ("id", "name"), ("name", "label")
    icon = "smart_toy"

    def action_links(self, request: HttpRequest, row: Agent) -> list[dict[str, str]]:
        """The switch that changes something."""
        standing = SwitchOnForm if row.status == AgentStatus.ACTIVE else SwitchOffForm
        return [each for each in super().action_links(request, row) if each["title"] != standing.title]

    def cautions(self, row: Agent) -> list[str]:
        return ["It is switched off: its new calls are denied."] if row.status == AgentStatus.INACTIVE else []

    def lead(self, row: Agent) -> list[str]:
        return [row.label] if row.label != row.name or row.status == AgentStatus.INACTIVE else []


@admin.register(Service)
class ServiceAdmin(SpendAdmin):
    spender = "service"
    list_display = ("name", "tenant", "created_at")
    list_select_related = ("tenant",)
    search_fields, search_parts = ("id", "name"), ("name",)
    icon = "dns"
