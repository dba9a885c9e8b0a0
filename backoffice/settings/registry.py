"""Which settings can be changed here: what each asks, what it then calls, and from which list or row it is reached."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from backoffice.settings import forms
from billing import services as billing
from kernel.corrections import services as corrections
from kernel.tenants import services as tenants
from metering.services.policies import set_policy as set_metering_policy
from metering.services.prices import end_price, set_price

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be changed. `label`: the model it belongs to. `needs_row`: it changes a row; else it makes one.

    `apply` gets the actor, the request's id, the row or None, and the form's facts; what it returns is shown once, if it is a key.
    """

    code: str
    label: str
    title: str
    does: str
    form: type[forms.SettingForm]
    apply: Callable[[str, str, Any, Facts], Any]
    needs_row: bool = False
    icon: str = "edit"
    is_grave: bool = False

    @property
    def permission(self) -> str:
        app_label, _, model = self.label.partition(".")
        return f"{app_label}.manage_{model}"


def _new_tenant(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    return tenants.create_tenant(actor=actor, request_id=request_id, **facts)


def _change_tenant(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    return tenants.change_tenant(tenant=row, actor=actor, request_id=request_id, **facts)


def _new_key(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    return tenants.create_api_key(actor=actor, request_id=request_id, **facts)


def _revoke_key(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    return tenants.revoke_api_key(prefix=row.prefix, actor=actor, request_id=request_id)


def _define_type(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    return billing.define_type(actor=actor, request_id=request_id, **_by_id(facts))


def _billing_policy(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    return billing.set_policy(actor=actor, request_id=request_id, **_by_id(facts))


def _floor(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    floor = Decimal(facts["floor"]) if facts["floor"] else None
    return billing.set_floor(tenant_id=row.tenant_id, actor=actor, request_id=request_id, currency=row.currency, floor=floor)


def _metering_policy(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    hours = facts["stale_hours"]
    set_metering_policy(
        tenant_id=facts["tenant"].pk,
        actor=actor,
        request_id=request_id,
        authorizes_at_once=facts["authorizes_at_once"],
        stale_after=timedelta(hours=hours) if hours else None,
    )


def _price(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    given = dict(facts)
    unit = {"fact_key": given.pop("fact_key"), "amount": Decimal(given.pop("amount")), "per": given.pop("per")}
    return set_price(actor=actor, request_id=request_id, units=[unit], **_by_id(given))


def _end_price(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    end_price(tenant_id=row.tenant_id, actor=actor, request_id=request_id, price_id=row.pk, valid_to=facts["valid_to"])


def _threshold(actor: str, request_id: str, row: Any, facts: Facts) -> Any:
    return corrections.set_threshold(
        tenant_id=facts["tenant"].pk, actor=actor, request_id=request_id, unit=facts["unit"], amount=Decimal(facts["amount"])
    )


def _by_id(facts: Facts) -> Facts:
    """With the tenant by its id, as services take it."""
    rest = {name: value for name, value in facts.items() if name != "tenant"}
    return {"tenant_id": facts["tenant"].pk, **rest}


SETTINGS = {
    setting.code: setting
    for setting in (
        Setting(
            "new-tenant", "tenants.tenant", "New tenant", "A company with books of its own.", forms.NewTenantForm, _new_tenant, icon="add"
        ),
        Setting(
            "tenant", "tenants.tenant", "Change", "Its name, and whether it is served.", forms.TenantForm, _change_tenant, needs_row=True
        ),
        Setting(
            "new-key",
            "tenants.apikey",
            "New key",
            "The secret is shown once, on the next page, and can't be read again.",
            forms.NewKeyForm,
            _new_key,
            icon="add",
        ),
        Setting(
            "revoke-key",
            "tenants.apikey",
            "Revoke",
            "Whoever uses the key is refused from now on. That can't be undone; a new key can be made.",
            forms.NothingForm,
            _revoke_key,
            needs_row=True,
            icon="key_off",
            is_grave=True,
        ),
        Setting(
            "type",
            "billing.transactiontype",
            "Define a type",
            "Puts a type in a tenant's catalogue, or changes its label.",
            forms.TypeForm,
            _define_type,
            icon="add",
        ),
        Setting(
            "billing-policy",
            "billing.policy",
            "Set a policy",
            "How a tenant wants its billing book kept.",
            forms.BillingPolicyForm,
            _billing_policy,
        ),
        Setting(
            "floor",
            "billing.wallet",
            "Set the floor",
            "What no debit may cross.",
            forms.FloorForm,
            _floor,
            needs_row=True,
            icon="vertical_align_bottom",
        ),
        Setting(
            "metering-policy",
            "metering.policy",
            "Set a policy",
            "How a tenant's metered transactions are decided and closed.",
            forms.MeteringPolicyForm,
            _metering_policy,
        ),
        Setting(
            "price",
            "metering.price",
            "New price",
            "Begins a price, and ends the one it takes over from. No price is ever edited.",
            forms.PriceForm,
            _price,
            icon="add",
        ),
        Setting(
            "end-price",
            "metering.price",
            "End it",
            "Nothing from that moment on has this price.",
            forms.EndPriceForm,
            _end_price,
            needs_row=True,
            icon="event_busy",
            is_grave=True,
        ),
        Setting(
            "threshold",
            "corrections.correctionthreshold",
            "Set a threshold",
            "Up to how much one person may correct alone.",
            forms.ThresholdForm,
            _threshold,
        ),
    )
}
