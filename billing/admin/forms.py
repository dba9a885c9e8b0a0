"""The forms of the billing ledger's pages."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from billing import services
from billing.choices import NEAR_DUPLICATE_LIMIT_SECONDS, REASON_LENGTH, TYPE_LENGTH, Direction
from billing.models import Policy
from kernel.ledger.admin.fields import BalanceField, WholeNumberField, longest_hold_field
from kernel.ledger.admin.holds import ReleaseHoldForm
from kernel.ledger.admin.settings import SettingForm, switch_field, text_field
from kernel.ledger.money import trimmed_digits


class TypeForm(SettingForm):
    is_tried_first = True
    title = "Define a type"
    description = "Puts a type in the tenant's catalogue, or changes its label."
    icon = "add"
    code = text_field("Code", max_length=TYPE_LENGTH, help="What callers send as `type`.")
    label = text_field("Label")
    direction = forms.ChoiceField(
        label="Direction",
        choices=Direction.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="The sign of its amounts. It can't be changed once an entry has the type.",
    )

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.define_type(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, **values)


class ChangeTypeForm(TypeForm):
    title = "Change the type"
    code = None  # type: ignore[assignment] # Django removes a field that a subclass sets to None

    def current(self) -> dict[str, Any]:
        return {"label": self.row.label, "direction": self.row.direction}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        super().apply(actor=actor, request_id=request_id, code=self.row.code, **values)


class PolicyForm(SettingForm):
    is_tried_first = True
    title = "Set the policy"
    description = "How the tenant's billing ledger treats types, duplicates and new wallets."
    strict_types = switch_field("Only types of the catalogue", help="Refuse an entry of a type that nobody defined.")
    near_duplicate_seconds = WholeNumberField(
        label="Near-duplicates within (seconds)",
        min_value=0,
        max_value=NEAR_DUPLICATE_LIMIT_SECONDS,
        widget=UnfoldAdminTextInputWidget(),
        help_text=f"Up to {NEAR_DUPLICATE_LIMIT_SECONDS:,}, which is a day; 0 switches the flag off.",
    )
    default_floor = BalanceField(label="Floor of new wallets", required=False, help_text="0 or below. Empty: new wallets have no floor.")
    longest_hold_seconds = longest_hold_field()

    def current(self) -> dict[str, Any]:
        policy = Policy.objects.filter(tenant=self.tenant).first() or Policy(tenant=self.tenant)
        floor = "" if policy.default_floor is None else trimmed_digits(policy.default_floor)
        names = ("strict_types", "near_duplicate_seconds", "longest_hold_seconds")
        return {name: getattr(policy, name) for name in names} | {"default_floor": floor}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        floor = values.pop("default_floor")
        services.set_policy(
            tenant_id=self.tenant.pk, actor=actor, request_id=request_id, default_floor=Decimal(floor) if floor else None, **values
        )


class FloorForm(SettingForm):
    is_tried_first = True
    title = "Set the floor"
    description = "The balance, less what is held, below which no debit may take the wallet."
    icon = "vertical_align_bottom"
    floor = BalanceField(label="Floor", required=False, help_text="Empty: no floor.")

    def current(self) -> dict[str, Any]:
        return {"floor": "" if self.row.floor is None else trimmed_digits(self.row.floor)}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        floor = Decimal(values["floor"]) if values["floor"] else None
        services.set_floor(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, currency=self.row.currency, floor=floor)


class AlertForm(SettingForm):
    is_tried_first = True
    title = "Set the alert"
    description = "The balance below which the wallet is low: crossing it, down or up, is an event for webhooks."
    icon = "notification_important"
    alert_below = BalanceField(label="Alert below", required=False, help_text="Empty: no alert.")

    def current(self) -> dict[str, Any]:
        return {"alert_below": "" if self.row.alert_below is None else trimmed_digits(self.row.alert_below)}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        amount = Decimal(values["alert_below"]) if values["alert_below"] else None
        services.set_alert(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, currency=self.row.currency, alert_below=amount)


class ReleaseForm(ReleaseHoldForm):
    reason = text_field("Reason", max_length=REASON_LENGTH, help="It is kept with the hold.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.release_hold(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, hold_id=self.row.pk, **values)
