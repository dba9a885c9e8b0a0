"""The lists of what the decisions count, and of what they refused."""

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin

from kernel.base.empty_values import NOTHING
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.formatting import joined, row_link
from metering.models import Agent
from metering.rules.admin.panels import group_in_words
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
    list_display = ("measured", "tenant", "is_rolling", "currency", "groups", "is_counting", "retire_at")
    list_select_related = ("tenant",)
    json_fields = ("conditions",)
    codes = ("measurement_type",)
    icon = "straighten"

    @admin.display(description="measures")
    def measured(self, row: RuleMeasure) -> str:
        return str(row)

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


def set_groups(counters: list[Any]) -> None:
    """Sets each counter's `group`: whose calls it sums, in words. The names of agents are read in one query."""
    groups = [dict(zip(counter.measure.group_by, json.loads(counter.group_key), strict=False)) for counter in counters]
    agent_ids = {group["agent"] for group in groups if group.get("agent")}
    names = {str(agent.pk): agent.label for agent in Agent.objects.filter(pk__in=agent_ids)} if agent_ids else {}
    for counter, group in zip(counters, groups, strict=True):
        counter.group = group_in_words(group, names)


@admin.register(RuleCounter)
class RuleCounterAdmin(CountingAdmin):
    list_display = ("group_key", "measure", "used", "last_at", "tenant")
    list_select_related = ("tenant", "measure")
    search_fields = ("id", "measure")
    currency_path = "measure.currency"
    field_labels = {"group_key": "used by", "last_at": "last decision"}
    icon = "calculate"

    def read_related(self, rows: list[Any]) -> None:
        set_groups(rows)

    def formatter_for(self, field: Any) -> Callable[[Any], Any] | None:
        if field.name == "group_key":
            return lambda row: row.group
        return super().formatter_for(field)

    def currency_of(self, row: Any) -> str:
        return str(row.measure.unit_of(row.used))

    def title_of(self, row: Any) -> str:
        return f"{row.measure}: {row.group}"


@admin.register(RuleCounterEntry)
class RuleCounterEntryAdmin(CountingAdmin):
    list_display = ("at", "counted_for", "transaction", "amount", "tenant")
    fields = ("at", "amount", "counted_for", "transaction", "tenant", "id")
    list_select_related = ("tenant", "counter__measure", "transaction__service")
    search_fields = ("id", "counter", "transaction")
    currency_path = "counter.measure.currency"
    # Calls have no currency to be summed by.
    sum_of = ""
    field_labels = {"at": "counted"}
    icon = "playlist_add"

    def read_related(self, rows: list[Any]) -> None:
        set_groups([row.counter for row in rows])

    @admin.display(description="counter")
    def counted_for(self, row: RuleCounterEntry) -> Any:
        counter: Any = row.counter
        return row_link(counter, f"{counter.measure}: {counter.group}")

    def currency_of(self, row: Any) -> str:
        return str(row.counter.measure.unit_of(row.amount))
