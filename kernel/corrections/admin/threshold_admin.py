"""The thresholds, and the forms that set them: up to which amount one person corrects without approval."""

from decimal import Decimal
from typing import Any

from django.contrib import admin

from kernel.corrections import services
from kernel.corrections.models import CorrectionThreshold
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.fields import AmountOrZeroField
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field
from kernel.ledger.money import is_currency, trimmed_digits


class ThresholdForm(SettingForm):
    is_tried_first = True
    title = "Set a threshold"
    description = "The largest amount that one person may correct without approval."
    unit = text_field("Currency or metric", max_length=255, help="A currency by its three letters (ISO 4217), like USD.")
    amount = AmountOrZeroField(label="Up to", help_text="0: every correction needs approval.")
    daily_amount = AmountOrZeroField(
        label="Within a day up to",
        required=False,
        help_text="What one person may correct alone within 24 hours, and how much of one account. Empty: the amount above.",
    )

    def clean_unit(self) -> str:
        """A currency in capitals, whatever the case: a threshold for `eur` would be one for a metric of that name."""
        unit: str = self.cleaned_data["unit"]
        return unit.upper() if is_currency(unit.upper()) else unit

    def cautions(self) -> list[str]:
        unit = self.cleaned_data["unit"]
        return [] if is_currency(unit) else [f"“{unit}” is no currency of ISO 4217: the threshold is for a metric of this name."]

    def notes(self) -> list[str]:
        threshold = CorrectionThreshold.objects.filter(tenant=self.tenant, unit=self.cleaned_data["unit"]).first()
        return [] if threshold is None else [f"The current threshold is {trimmed_digits(threshold.amount)} {threshold.unit}."]

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        daily = values.pop("daily_amount")
        values |= {"amount": Decimal(values["amount"]), "daily_amount": Decimal(daily) if daily else None}
        services.set_threshold(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, **values)


class ChangeThresholdForm(ThresholdForm):
    title = "Change the threshold"
    unit = None  # type: ignore[assignment] # Django removes a field that a subclass sets to None

    def current(self) -> dict[str, Any]:
        daily = self.row.daily_amount
        return {"amount": trimmed_digits(self.row.amount), "daily_amount": "" if daily is None else trimmed_digits(daily)}

    def notes(self) -> list[str]:
        return []

    def cautions(self) -> list[str]:
        return []

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        super().apply(actor=actor, request_id=request_id, unit=self.row.unit, **values)


@admin.register(CorrectionThreshold)
class CorrectionThresholdAdmin(LedgerAdmin):
    actions_list = ("set_threshold",)
    actions_detail = ("change_threshold",)
    set_threshold = setting_action(ThresholdForm, name="set-threshold")
    change_threshold = setting_action(ChangeThresholdForm, name="change-threshold")
    list_display = ("tenant", "amount", "daily_amount", "updated_by", "updated_at")
    list_select_related = ("tenant",)
    currency_path = "unit"
    sum_of = ""
    icon = "speed"
