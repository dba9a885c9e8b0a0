"""The pages of a tenant's own prices, and the forms that make and end one."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.fields import CurrencyField, PlainDecimalField
from kernel.ledger.admin.settings import MomentField, SettingForm, setting_action, text_field
from metering import services
from metering.models import Price, UnitPrice


def amount_field(label: str, *, help: str = "") -> PlainDecimalField:
    return PlainDecimalField(
        label=label,
        required=False,
        min_value=Decimal(0),
        max_digits=36,
        decimal_places=18,
        widget=UnfoldAdminTextInputWidget(),
        help_text=f"{help} Empty: nothing.".strip(),
    )


class PriceForm(SettingForm):
    is_tried_first = True
    title = "New price"
    description = "A new price ends the one with the same names at the moment it begins. A price is never edited."
    icon = "add"
    service_name = text_field("Service", required=False, help="Empty: every service.", max_length=255)
    action_name = text_field("Action", required=False, help="Empty: every action.", max_length=255)
    resource_name = text_field("Resource or model", required=False, help="Empty: every resource.", max_length=255)
    currency = CurrencyField(label="Currency")
    units = forms.CharField(
        label="Quantities",
        max_length=5000,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="All quantities of the price, one per line as NAME=AMOUNT/PER, like usage.input_tokens=3/1000000. "
        "A question mark at the end: the quantity may be absent. An exclamation mark: begun packages are billed. "
        "Tiers: pages=0.10@1000,0.05 costs 0.10 up to 1000 and 0.05 beyond.",
    )
    flat_amount = amount_field("Each call costs", help="Whatever it used.")
    minimum = amount_field("A call costs at least")
    markup = PlainDecimalField(
        label="Markup on the public price (%)",
        required=False,
        min_value=Decimal(-100),
        max_value=Decimal(100_000),
        decimal_places=4,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Instead of quantities: 20 for 20 % more than the public price of the model.",
    )
    valid_from = MomentField("From")

    def clean_units(self) -> str:
        lines = [line.strip() for line in self.cleaned_data["units"].splitlines() if line.strip()]
        for line in lines:
            try:
                services.parse_unit(line)
            except ValueError as error:
                raise forms.ValidationError(f"{error}. Amounts have a point, like 0.10.") from None
        return "\n".join(lines)

    def notes(self) -> list[str]:
        names = {name: self.cleaned_data[name] for name in ("service_name", "action_name", "resource_name")}
        ended = Price.objects.filter(tenant=self.tenant, **names, valid_to__isnull=True, valid_from__lt=self.cleaned_data["valid_from"])
        quantities = UnitPrice.objects.filter(tenant=self.tenant, price__in=ended).order_by("fact_key").values_list("fact_key", flat=True)
        return [f"Ends the current price with these names, which has: {', '.join(quantities)}."] if quantities else []

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        units = [services.parse_unit(line) for line in values.pop("units").splitlines()]
        amounts: dict[str, Any] = {name: values.pop(name) or Decimal(0) for name in ("flat_amount", "minimum")}
        percent = values.pop("markup")
        markup = None if percent is None else percent / 100
        services.set_price(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, units=units, **amounts, markup=markup, **values)


class EndPriceForm(SettingForm):
    is_tried_first = True
    title = "End the price"
    description = "Calls from that moment on don't have this price."
    icon = "event_busy"
    is_destructive = True
    valid_to = MomentField("Ends")

    def current(self) -> dict[str, Any]:
        return {"valid_to": self.row.valid_to}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.end_price(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, price_id=self.row.pk, **values)


@admin.register(Price)
class PriceAdmin(LedgerAdmin):
    list_display = ("what", "tenant", "flat_amount", "minimum", "markup", "valid_from", "valid_to")
    sum_of = ""
    list_select_related = ("tenant",)
    search_fields = ("id", "resource_name")
    icon = "sell"
    actions_list = ("new_price",)
    actions_detail = ("end_price",)
    new_price = setting_action(PriceForm, name="new-price")
    end_price = setting_action(EndPriceForm, name="end-price")

    @admin.display(description="service / action / resource")
    def what(self, row: Price) -> str:
        return str(row)


@admin.register(UnitPrice)
class UnitPriceAdmin(LedgerAdmin):
    list_display = ("fact_key", "tenant", "price", "amount", "per", "is_optional")
    list_select_related = ("tenant", "price")
    search_fields = ("id", "fact_key")
    sum_of = ""
    currency_path = "price.currency"
    icon = "price_change"
