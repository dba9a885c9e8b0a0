"""The lists of what the decisions count, and of what they refused."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin

from kernel.base.empty_values import NOTHING
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.formatting import joined, row_link
from kernel.ledger.money import trimmed_digits
from metering.models import Agent
from metering.rules.models import RuleCounter, RuleCounterEntry, RuleExecution, RuleMeasure


@admin.register(RuleExecution)
class RuleExecutionAdmin(LedgerAdmin):
    """Denials, newest first."""

    list_display = ("created_at", "tenant", "rule", "reason", "transaction")
    list_select_related = ("tenant", "rule", "transaction")
    search_fields = ("id", "rule", "transaction")
    icon = "block"


class CountingAdmin(LedgerAdmin):
    in_sidebar = False


@admin.register(RuleMeasure)
class RuleMeasureAdmin(CountingAdmin):
    list_display = (
        "id",
        "tenant",
        "measurement_type",
        "interval_value",
        "interval_unit",
        "is_rolling",
        "groups",
        "is_counting",
        "retire_at",
    )
    list_select_related = ("tenant",)
    json_fields = ("conditions",)
    codes = ("measurement_type",)
    icon = "straighten"

    def read_related(self, rows: list[Any]) -> None:
        """The names of the agents that the measures are of, in one query."""
        ids = {agent_id for row in rows for agent_id in row.agent_ids}
        agents = {agent.pk: agent for agent in Agent.objects.filter(pk__in=ids)} if ids else {}
        for row in rows:
            row.agents = [agents[agent_id] for agent_id in row.agent_ids if agent_id in agents]

    def formatter_for(self, field: Any) -> Callable[[Any], Any] | None:
        if field.name == "agent_ids":
            return lambda row: joined(row_link(agent) for agent in row.agents) if row.agents else NOTHING
        return super().formatter_for(field)


@admin.register(RuleCounter)
class RuleCounterAdmin(CountingAdmin):
    list_display = ("id", "tenant", "measure", "group_key", "sum", "last_at")
    list_select_related = ("tenant", "measure")
    search_fields = ("id", "measure")
    icon = "calculate"

    def formatter_for(self, field: Any) -> Callable[[Any], Any] | None:
        if field.name == "group_key":
            return lambda row: f"{row}"
        return super().formatter_for(field)

    @admin.display(description="used")
    def sum(self, row: RuleCounter) -> str:
        return trimmed_digits(row.used)


@admin.register(RuleCounterEntry)
class RuleCounterEntryAdmin(CountingAdmin):
    list_display = ("id", "tenant", "counter", "transaction", "added", "at")
    list_select_related = ("tenant", "counter", "transaction")
    search_fields = ("id", "counter", "transaction")
    icon = "playlist_add"

    @admin.display(description="amount")
    def added(self, row: RuleCounterEntry) -> str:
        return trimmed_digits(row.amount)
