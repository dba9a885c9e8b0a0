"""The declared keys of usage, and what was counted."""

from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminSelectWidget

from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field
from kernel.tenants.messages import register_messages
from metering.choices import MOST_KEYS, KeyPlace
from metering.models import Usage, UsageKey, UsageNote, UsageProgress, UsageSum
from metering.services import usage_keys

register_messages(
    {
        "key_exists": "The key is declared already.",
        "key_not_counted": "Usage isn't counted by the key {key} before {since}.",
        "too_many_keys": "A tenant declares at most {max} keys: withdraw one first.",
    }
)


class DeclareKeyForm(SettingForm):
    title = "Declare a key"
    description = (
        f"Questions about usage can group and filter by the key. What is recorded already is counted by it within some minutes. At most "
        f"{MOST_KEYS} keys."
    )
    icon = "add"
    place = forms.ChoiceField(label="In", choices=KeyPlace.choices, widget=UnfoldAdminSelectWidget())
    name = text_field("Name", max_length=64, help="Dots lead into objects.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        usage_keys.declare_key(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, **values)


class WithdrawKeyForm(SettingForm):
    title = "Withdraw the key"
    description = "Questions about usage no longer group and filter by it. Declared again, it is counted anew."
    icon = "event_busy"
    is_destructive = True

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        usage_keys.withdraw_key(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, key_id=self.row.pk)


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
    list_display = ("occurred_at", "tenant", "transaction_id", "service", "model", "customer", "outcome", "amount", "estimated", "currency")
    list_select_related = ("tenant",)
    search_fields = ("id", "transaction_id")
    links = {"transaction_id": "metering.transaction", "agent": "metering.agent"}
    icon = "data_usage"


@admin.register(UsageSum)
class UsageSumAdmin(LedgerAdmin):
    # Each cost is in many sums.
    sum_of = ""
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
        "currency",
    )
    list_select_related = ("tenant",)
    search_fields = ("id",)
    icon = "functions"


@admin.register(UsageNote)
class UsageNoteAdmin(LedgerAdmin):
    list_display = ("id", "transaction_id", "tenant")
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
