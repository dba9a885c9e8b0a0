"""The forms of the credits ledger's pages."""

from decimal import Decimal
from typing import Any

from unfold.widgets import UnfoldAdminTextInputWidget

from credits import services
from credits.models import Policy
from credits.services.settings import MAX_EXPIRING_DAYS
from kernel.ledger.admin.fields import AmountOrZeroField, CurrencyField, WholeNumberField, longest_hold_field
from kernel.ledger.admin.holds import ReleaseHoldForm
from kernel.ledger.admin.settings import SettingForm, text_field
from kernel.ledger.money import trimmed_digits


class AlertForm(SettingForm):
    is_tried_first = True
    title = "Set an alert"
    description = (
        "The balance below which a customer is low; going below it is an event credits.balance.low, coming back credits.balance.recovered."
    )
    icon = "notification_add"
    customer_id = text_field("Customer", max_length=255)
    currency = CurrencyField(label="Currency", required=False, help_text="ISO 4217; or a metric, not both.")
    metric_id = text_field("Metric", required=False, max_length=255)
    alert_below = AmountOrZeroField(label="Alert below", required=False, help_text="Empty: no alert.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        amount = Decimal(values["alert_below"]) if values["alert_below"] else None
        unit = {name: values[name] or None for name in ("currency", "metric_id")}
        customer = {"customer_id": values["customer_id"], **unit}
        services.set_balance_alert(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, alert_below=amount, **customer)


class ChangeAlertForm(AlertForm):
    title = "Change the alert"
    icon = "edit"
    customer_id = currency = metric_id = None  # type: ignore[assignment] # Django removes a field that a subclass sets to None

    def current(self) -> dict[str, Any]:
        return {"alert_below": "" if self.row.alert_below is None else trimmed_digits(self.row.alert_below)}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        unit = {name: getattr(self.row, name) for name in ("customer_id", "currency", "metric_id")}
        super().apply(actor=actor, request_id=request_id, **unit, **values)


class PolicyForm(SettingForm):
    is_tried_first = True
    title = "Set the policy"
    description = "How early a grant that expires with a balance is announced, by an event credits.grant.expiring; how long holds last."
    icon = "tune"
    expiring_days = WholeNumberField(
        label="Announce so many days before", min_value=0, max_value=MAX_EXPIRING_DAYS, widget=UnfoldAdminTextInputWidget()
    )
    longest_hold_seconds = longest_hold_field()

    def current(self) -> dict[str, Any]:
        policy = Policy.objects.filter(tenant=self.tenant).first() or Policy(tenant=self.tenant)
        return {"expiring_days": policy.expiring_days, "longest_hold_seconds": policy.longest_hold_seconds}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.set_policy(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, **values)


class ReleaseForm(ReleaseHoldForm):
    reason = text_field("Reason", max_length=1000, help="It is kept with the hold.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        keys = {"tenant_id": self.row.tenant_id, "customer_id": self.row.customer_id, "hold_id": self.row.pk}
        services.release_hold(**keys, actor=actor, request_id=request_id, **values)


class CancelRecurringGrantForm(SettingForm):
    title = "Cancel the recurring grant"
    description = "No further grant is issued. Those that were issued stay. It can't be taken up again: make a new one instead."
    icon = "event_busy"
    is_destructive = True

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.cancel_recurring_grant(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, recurring_grant_id=self.row.pk)
