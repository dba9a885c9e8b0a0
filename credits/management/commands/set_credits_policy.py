"""Sets a tenant's credits policy and the alert of a customer's balance: credits.services.set_policy and set_balance_alert."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from credits import services
from kernel.base.commands import DomainCommand, amount_or_none, seconds_or_none
from kernel.ledger.money import is_currency
from kernel.tenants.selectors import get_tenant

ACTOR = "command:set_credits_policy"


class Command(DomainCommand):
    help = (
        "Set a tenant's credits policy; what isn't named stays as it is. "
        "Example: manage.py set_credits_policy acme --expiring-days 14 --alert-below customer-1 USD 20"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id")
        parser.add_argument("--expiring-days", type=int, help="announce a grant so many days before it expires")
        parser.add_argument("--longest-hold", help="how many seconds a hold may last, with its extensions, or none")
        parser.add_argument(
            "--alert-below",
            nargs=3,
            metavar=("CUSTOMER", "UNIT", "AMOUNT"),
            help="balance below which a customer is low in a currency or metric: an amount, or none",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = get_tenant(tenant=options["tenant"])
        if options["expiring_days"] is not None:
            services.set_policy(tenant_id=tenant.id, actor=ACTOR, request_id="", expiring_days=options["expiring_days"])
            self.stdout.write(f"{tenant.slug}: grants are announced {options['expiring_days']} days before they expire")
        if options["longest_hold"] is not None:
            try:
                longest = seconds_or_none(options["longest_hold"])
            except ValueError as error:
                raise CommandError(f"{options['longest_hold']} is no number of seconds: give one, or none.") from error
            services.set_policy(tenant_id=tenant.id, actor=ACTOR, request_id="", longest_hold_seconds=longest)
            self.stdout.write(f"{tenant.slug}: longest hold {options['longest_hold']} s")
        if options["alert_below"]:
            self._set_alert(tenant.id, *options["alert_below"])

    def _set_alert(self, tenant_id: Any, customer: str, unit: str, amount: str) -> None:
        try:
            below = amount_or_none(amount)
        except ValueError as error:
            raise CommandError(f"{error} is no amount: give a number, or none.") from error
        currency, metric = (unit, None) if is_currency(unit) else (None, unit)
        alert = services.set_balance_alert(
            tenant_id=tenant_id, actor=ACTOR, request_id="", customer_id=customer, currency=currency, metric_id=metric, alert_below=below
        )
        self.stdout.write(f"{alert}: {'no alert' if below is None else f'alert below {amount}'}")
