"""The form of the metering ledger's policy. Agents, prices and decisions have theirs beside their pages."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from unfold.widgets import UnfoldAdminTextInputWidget

from kernel.ledger.admin.fields import PlainDecimalField
from kernel.ledger.admin.settings import SettingForm, switch_field, text_field
from kernel.ledger.money import trimmed_digits
from metering import services
from metering.choices import ReportedCosts
from metering.models import Policy

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def limit_field(label: str, *, unit: str, at_most: int) -> PlainDecimalField:
    return PlainDecimalField(
        label=label,
        min_value=Decimal(0),
        max_value=Decimal(at_most),
        decimal_places=2,
        widget=UnfoldAdminTextInputWidget(),
        help_text=f"In {unit}; callers send it as occurredAt. Files may bring in what happened at any time.",
    )


def in_unit(limit: timedelta, unit: timedelta) -> Decimal:
    return Decimal(trimmed_digits(Decimal(limit / unit).quantize(Decimal("0.01"))))


class PolicyForm(SettingForm):
    is_tried_first = True
    title = "Set the policy"
    description = "How the tenant's metered calls are authorized and closed."
    authorizes_at_once = switch_field("Authorize at once", help="Off: a new call waits for a decision.")
    stale_hours = PlainDecimalField(
        label="Cancel what stays authorized longer than (hours)",
        required=False,
        min_value=Decimal("0.01"),
        max_value=Decimal(100_000),
        decimal_places=2,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Empty: never.",
    )
    takes_reported_costs = switch_field(
        "A cost that a provider reports is the actual cost", help="Off: it is compared with the computed one. Your own prices come first."
    )
    prices_self_hosted = switch_field(
        "Self-hosted models have list prices", help="Off: a model behind Ollama, vLLM or the like costs what your own prices say."
    )
    holds_estimates = switch_field(
        "Calls are prepaid", help="Estimated costs are held, of credits first and the wallet next, and what a call cost is captured."
    )
    payer_customer_id = text_field(
        "Customer who pays",
        required=False,
        help="Where neither a call nor its agent names one. Empty: the tenant.",
        max_length=255,
    )
    allows_overdraft = switch_field("A wallet without a floor pays below zero", help="Off: it pays down to zero.")

    backdating_days = limit_field("Happened at most so long ago", unit="days", at_most=3650)
    postdating_minutes = limit_field("Happens at most so far ahead", unit="minutes", at_most=1_000_000)

    def current(self) -> dict[str, Any]:
        policy = Policy.objects.filter(tenant=self.tenant).first() or Policy(tenant=self.tenant)
        seconds = None if policy.stale_after is None else Decimal(round(policy.stale_after.total_seconds()))
        hours = None if seconds is None else Decimal(trimmed_digits((seconds / 3600).quantize(Decimal("0.01"))))
        return {
            "authorizes_at_once": policy.authorizes_at_once,
            "stale_hours": hours,
            "takes_reported_costs": policy.reported_costs == ReportedCosts.ACTUAL,
            "prices_self_hosted": policy.prices_self_hosted,
            "holds_estimates": policy.holds_estimates,
            "payer_customer_id": policy.payer_customer_id or "",
            "allows_overdraft": policy.allows_overdraft,
            "backdating_days": in_unit(policy.backdating_limit, DAY),
            "postdating_minutes": in_unit(policy.postdating_limit, MINUTE),
        }

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        hours = values["stale_hours"]
        # An unchanged time isn't written: the form shows hundredths of an hour, and the time may be finer.
        stale_after = (
            services.UNCHANGED if hours == self.standing["stale_hours"] else None if hours is None else timedelta(hours=float(hours))
        )
        services.set_policy(
            tenant_id=self.tenant.pk,
            actor=actor,
            request_id=request_id,
            authorizes_at_once=values["authorizes_at_once"],
            stale_after=stale_after,
            reported_costs=ReportedCosts.ACTUAL if values["takes_reported_costs"] else ReportedCosts.COMPARE,
            prices_self_hosted=values["prices_self_hosted"],
            holds_estimates=values["holds_estimates"],
            payer_customer_id=values["payer_customer_id"] or None,
            allows_overdraft=values["allows_overdraft"],
            backdating_limit=self.limit("backdating_days", values, DAY),
            postdating_limit=self.limit("postdating_minutes", values, MINUTE),
        )

    def limit(self, name: str, values: Mapping[str, Decimal], unit: timedelta) -> Any:
        """The time of a field; like the hours above, one that the form shows rounded isn't written unless it was changed."""
        return services.UNCHANGED if values[name] == self.standing[name] else float(values[name]) * unit
