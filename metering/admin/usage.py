"""The declared keys of usage, and what was counted."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Field
from unfold.widgets import UnfoldAdminSelectWidget

from kernel.base.empty_values import NOTHING
from kernel.base.error_messages import register_messages
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.formatting import id_link
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field
from metering import services
from metering.choices import DIMENSIONS, FIRST_KEY, MAX_KEYS, KeyPlace
from metering.models import Agent, Usage, UsageKey, UsageNote, UsageProgress, UsageSum

register_messages(
    {
        "key_exists": "The key is declared already.",
        "key_not_counted": "Usage isn't counted by the key {key} before {since}.",
        "too_many_keys": "A tenant declares at most {max} keys: withdraw one first.",
    }
)


class DeclareKeyForm(SettingForm):
    is_tried_first = True
    title = "Declare a key"
    description = (
        f"Questions about usage can group and filter by the key. What is recorded already is counted by it within some minutes. At most "
        f"{MAX_KEYS} keys."
    )
    icon = "add"
    place = forms.ChoiceField(label="In", choices=KeyPlace.choices, widget=UnfoldAdminSelectWidget())
    name = text_field("Name", max_length=64, help="Dots lead into objects.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.declare_key(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, **values)


class WithdrawKeyForm(SettingForm):
    title = "Withdraw the key"
    description = "Questions about usage no longer group and filter by it. Declared again, it is counted anew."
    icon = "event_busy"
    is_destructive = True

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.withdraw_key(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, key_id=self.row.pk)


@admin.register(UsageKey)
class UsageKeyAdmin(LedgerAdmin):
    list_display = ("name", "place", "tenant", "declared_at", "counts_from", "withdrawn_at", "actor")
    field_labels = {"place": "in"}
    list_select_related = ("tenant",)
    search_fields = ("id", "name")
    icon = "key"
    actions_list = ("declare_key",)
    actions_detail = ("withdraw_key",)
    declare_key = setting_action(DeclareKeyForm, name="declare-key")
    withdraw_key = setting_action(WithdrawKeyForm, name="withdraw-key")


@admin.register(Usage)
class UsageAdmin(LedgerAdmin):
    list_display = ("occurred_at", "tenant", "transaction_id", "service", "model", "customer", "outcome", "amount", "estimated")
    list_select_related = ("tenant",)
    search_fields = ("id", "transaction_id")
    links = {"transaction_id": "metering.transaction"}
    codes = ("outcome",)
    icon = "data_usage"

    def read_related(self, rows: list[Any]) -> None:
        """The names of the agents, in one query."""
        ids = {row.agent for row in rows if row.agent}
        names = dict(Agent.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}
        for row in rows:
            row.agent_name = names.get(row.agent, "")

    def formatter_for(self, field: Field) -> Callable[[Any], Any] | None:
        if field.name == "agent":
            return lambda row: id_link("metering.agent", row.agent, row.agent_name)
        return super().formatter_for(field)


PARTS = ("first", "second")
DIMENSION_NAMES = {number: name for name, number in DIMENSIONS.items()}


def _values(row: UsageSum) -> list[tuple[int, str | None]]:
    return [(row.first_dimension, row.first), (row.second_dimension, row.second)]


@admin.register(UsageSum)
class UsageSumAdmin(LedgerAdmin):
    # Each cost is in many sums.
    sum_of = ""
    fields = (
        *("starts_at", "grain", "clock", "tenant", "first", "second", "outcome", "transactions", "amount", "estimated", "currency", "id"),
    )
    field_labels = {"first": "of", "second": "and of", "grain": "each", "clock": "by the time it"}
    list_display = (
        "starts_at",
        "grain",
        "clock",
        "tenant",
        "first",
        "second",
        "outcome",
        "transactions",
        "amount",
        "estimated",
    )
    list_select_related = ("tenant",)
    search_fields = ("id",)
    codes = ("outcome",)
    icon = "functions"

    def read_related(self, rows: list[Any]) -> None:
        """The names of the agents that the sums are of, whose values are ids, and of declared keys, in a query each."""
        ids = {value for row in rows for number, value in _values(row) if number == DIMENSIONS["agent"] and value}
        named = {str(agent.pk): agent.name for agent in Agent.objects.filter(pk__in=ids)} if ids else {}
        keys = UsageKey.objects.filter(tenant_id__in={row.tenant_id for row in rows}, number__gte=FIRST_KEY) if rows else ()
        declared = {(key.tenant_id, key.number): key.name for key in keys}
        for row in rows:
            row.words = []
            for number, value in _values(row):
                title = DIMENSION_NAMES.get(number) or declared.get((row.tenant_id, number), str(number))
                row.words += [f"{title}: {named.get(value or '', value or '') or '–'}"] if number else []

    def formatter_for(self, field: Field) -> Callable[[Any], Any] | None:
        if field.name in PARTS:
            return lambda row: row.words[PARTS.index(field.name)] if len(row.words) > PARTS.index(field.name) else NOTHING
        return super().formatter_for(field)


@admin.register(UsageNote)
class UsageNoteAdmin(LedgerAdmin):
    list_display = ("tenant", "transaction_id")
    list_select_related = ("tenant",)
    search_fields = ("id", "transaction_id")
    links = {"transaction_id": "metering.transaction"}
    icon = "pending_actions"


@admin.register(UsageProgress)
class UsageProgressAdmin(LedgerAdmin):
    list_display = ("tenant", "counted_until")
    list_select_related = ("tenant",)
    search_fields = ("id",)
    icon = "update"
