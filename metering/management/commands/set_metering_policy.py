"""Calls metering.services.settings.set_policy."""

from argparse import ArgumentParser, BooleanOptionalAction
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from kernel.base.commands import DomainCommand
from kernel.tenants import selectors
from metering.choices import ReportedCosts
from metering.services import UNCHANGED, set_policy


class Command(DomainCommand):
    help = (
        "Change how a tenant's transactions are decided and closed; what isn't named stays."
        " Example: manage.py set_metering_policy acme --stale-after-hours 24"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id of the tenant")
        parser.add_argument("--stale-after-hours", type=float, help="cancel what stays authorized for longer; 0: never")
        parser.add_argument("--decide-later", action=BooleanOptionalAction, help="new transactions wait as pending for a decision")

        parser.add_argument(
            "--reported-costs",
            choices=ReportedCosts.values,
            help="a cost that a provider's reply states: compare it with the computed one, or make it the actual cost",
        )
        parser.add_argument(
            "--price-self-hosted",
            action=BooleanOptionalAction,
            help="models that the tenant runs itself (Ollama, vLLM) cost what their makers ask",
        )
        parser.add_argument("--prepaid", action=BooleanOptionalAction, help="hold estimated costs, and capture what a transaction cost")
        parser.add_argument("--payer-customer", help="whose credits pay for transactions of no customer; empty: the tenant's slug")
        parser.add_argument("--overdraft", action=BooleanOptionalAction, help="a wallet without a floor pays below zero")

        parser.add_argument("--backdating-days", type=float, help="how long ago a call of the API may have happened (default: 35)")
        parser.add_argument("--postdating-minutes", type=float, help="how far ahead its time may be (default: 5)")

    def handle(self, *args: Any, **options: Any) -> str:
        hours, decide_later = options["stale_after_hours"], options["decide_later"]
        reported, self_hosted = options["reported_costs"], options["price_self_hosted"]
        days, minutes = options["backdating_days"], options["postdating_minutes"]
        tenant = selectors.get_tenant(tenant=options["tenant"])
        policy = set_policy(
            tenant_id=tenant.id,
            actor="command:set_metering_policy",
            request_id="",
            authorizes_at_once=UNCHANGED if decide_later is None else not decide_later,
            stale_after=UNCHANGED if hours is None else timedelta(hours=hours) if hours else None,
            reported_costs=UNCHANGED if reported is None else reported,
            prices_self_hosted=UNCHANGED if self_hosted is None else self_hosted,
            holds_estimates=UNCHANGED if options["prepaid"] is None else options["prepaid"],
            payer_customer_id=UNCHANGED if options["payer_customer"] is None else options["payer_customer"] or None,
            allows_overdraft=UNCHANGED if options["overdraft"] is None else options["overdraft"],
            backdating_limit=UNCHANGED if days is None else _span(days=days),
            postdating_limit=UNCHANGED if minutes is None else _span(minutes=minutes),
        )
        decided = "authorized at once" if policy.authorizes_at_once else "decided later"
        closed = "never closed automatically" if policy.stale_after is None else f"cancelled when authorized for {policy.stale_after}"
        costs = "are the actual costs" if policy.reported_costs == ReportedCosts.ACTUAL else "are compared with the computed ones"
        own = "have their makers' prices" if policy.prices_self_hosted else "have no public price"
        paid = (
            f"; costs are paid at once by the credits of {policy.payer_customer_id or tenant.slug} and the wallet"
            if policy.holds_estimates
            else ""
        )
        bounds = f"times at most {policy.backdating_limit} ago and {policy.postdating_limit} ahead"
        return f"{tenant.slug}: {decided}, {closed}; costs that providers report {costs}; self-hosted models {own}{paid}; {bounds}."


def _span(**parts: float) -> timedelta:
    try:
        return timedelta(**parts)
    except (OverflowError, ValueError) as error:
        raise CommandError(f"There is no such time: {parts}.") from error
