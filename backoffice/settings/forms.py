"""What is asked where a setting is changed."""

from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.choices import Direction
from kernel.ledger.admin.fields import AmountOrZeroField
from kernel.tenants.models import Tenant
from kernel.tenants.scopes import all_scopes
from kernel.tenants.staff import Scope

TEXT = UnfoldAdminTextInputWidget


def text(label: str, *, help: str = "", required: bool = True, longest: int = 200) -> forms.CharField:
    return forms.CharField(label=label, help_text=help, required=required, max_length=longest, widget=TEXT(attrs={"autocomplete": "off"}))


def amount(label: str, *, help: str = "", required: bool = True) -> AmountOrZeroField:
    return AmountOrZeroField(
        label=label, help_text=help, required=required, widget=TEXT(attrs={"inputmode": "decimal", "autocomplete": "off"})
    )


def switch(label: str, *, help: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=help, required=False, widget=UnfoldBooleanSwitchWidget())


def moment(label: str, *, help: str = "In your own zone, like 2026-12-01T00:00.", required: bool = True) -> forms.DateTimeField:
    return forms.DateTimeField(label=label, help_text=help, required=required, widget=TEXT(attrs={"type": "datetime-local"}))


class SettingForm(forms.Form):
    """`row` is what is changed; None where something is made."""

    def __init__(self, *args: Any, scope: Scope, row: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        if "tenant" in self.fields:
            tenants = scope.limit(Tenant.objects.all())
            self.fields["tenant"].queryset = tenants  # type: ignore[attr-defined]
            self.initial.setdefault("tenant", getattr(row, "pk", None) if isinstance(row, Tenant) else None)


def tenant_field() -> forms.ModelChoiceField:
    return forms.ModelChoiceField(queryset=Tenant.objects.none(), label="Tenant", widget=UnfoldAdminSelectWidget())


class NewTenantForm(SettingForm):
    name = text("Name")
    slug = text("Short name", help="Lower-case letters, digits and hyphens; it can't be changed.", longest=80)
    currency = text("Currency", help="ISO 4217, like USD: what an amount is in where a caller doesn't say.", longest=3)


class TenantForm(SettingForm):
    name = text("Name")
    is_active = switch("Active", help="Off: none of its keys works any more; its books stay.")


class NewKeyForm(SettingForm):
    tenant = tenant_field()
    name = text("Name", help="What the key is for; it stands beside everything that the key does.")
    scopes = forms.MultipleChoiceField(
        label="May", choices=lambda: [(scope, scope) for scope in all_scopes()], widget=UnfoldAdminCheckboxSelectMultipleWidget()
    )
    expires_at = moment("Expires", required=False, help="Empty: never.")

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError("That is past.")
        return expires_at


class NothingForm(SettingForm):
    """A question that is answered by agreeing."""


class TypeForm(SettingForm):
    tenant = tenant_field()
    code = text("Code", longest=128)
    label = text("Label")
    direction = forms.ChoiceField(
        label="Direction",
        choices=Direction.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="Which way its amounts go. It can't be changed once a transaction has the type.",
    )


class BillingPolicyForm(SettingForm):
    tenant = tenant_field()
    strict_types = switch("Only types of the catalogue", help="Refuse a transaction of a type that nobody defined.")
    near_duplicate_seconds = forms.IntegerField(
        label="Near-duplicates within (seconds)",
        min_value=0,
        max_value=31_536_000,
        initial=60,
        widget=TEXT(),
        help_text="0 switches the flag off.",
    )


class FloorForm(SettingForm):
    floor = amount("Floor", required=False, help="No debit takes the wallet below it. Empty: no floor.")


class MeteringPolicyForm(SettingForm):
    tenant = tenant_field()
    authorizes_at_once = switch("Authorize at once", help="Off: a new transaction waits for a decision.")
    stale_hours = forms.IntegerField(
        label="Cancel what stays authorized longer than (hours)", required=False, min_value=1, widget=TEXT(), help_text="Empty: never."
    )


class PriceForm(SettingForm):
    tenant = tenant_field()
    service_name = text("Service", required=False, help="Empty matches every service.", longest=255)
    action_name = text("Action", required=False, longest=255)
    resource_name = text("Resource or model", required=False, longest=255)
    currency = text("Currency", longest=3)
    fact_key = text("Quantity", help="The fact that is counted, like usage.input_tokens.", longest=255)
    amount = amount("Price")
    per = forms.IntegerField(label="For each", min_value=1, initial=1, widget=TEXT(), help_text="1000000: the price of a million.")
    valid_from = moment("From")


class EndPriceForm(SettingForm):
    valid_to = moment("Ends")


class ThresholdForm(SettingForm):
    tenant = tenant_field()
    unit = text("Currency or metric", longest=255)
    amount = amount(
        "Up to", help="A correction that moves no more than this is posted without another person. 0: every one needs approval."
    )
