"""Sets a tenant's billing policy, the floor of a wallet and its alert: billing.services.set_policy, set_floor and set_alert."""

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.core.management.base import CommandError

from billing import services
from kernel.base.commands import DomainCommand, amount_or_none, seconds_or_none
from kernel.tenants.selectors import get_tenant

ACTOR = "command:set_billing_policy"


class Command(DomainCommand):
    help = (
        "Set a tenant's billing policy; what isn't named stays as it is. "
        "Example: manage.py set_billing_policy acme --strict-types --default-floor 0 --floor USD -100"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id")
        parser.add_argument("--strict-types", action=BooleanOptionalAction, help="refuse types that aren't in the catalogue")
        parser.add_argument("--near-duplicate-seconds", type=int, help="flag like transactions closer than this; 0 for never")
        parser.add_argument(
            "--default-floor",
            type=amount_or_none,
            default=services.UNCHANGED,
            help="floor of wallets opened from now on: 0, a negative amount, or none",
        )
        parser.add_argument(
            "--longest-hold",
            type=seconds_or_none,
            default=services.UNCHANGED,
            help="how many seconds a hold may last, with its extensions, or none for as long as its caller says",
        )
        parser.add_argument("--floor", nargs=2, metavar=("CURRENCY", "AMOUNT"), help="floor of one wallet: an amount, or none")
        parser.add_argument(
            "--alert-below", nargs=2, metavar=("CURRENCY", "AMOUNT"), help="balance below which one wallet is low: an amount, or none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("strict_types", "near_duplicate_seconds")
        changes = {name: options[name] for name in names if options[name] is not None}
        changes |= {"default_floor": options["default_floor"], "longest_hold_seconds": options["longest_hold"]}
        try:
            tenant = get_tenant(tenant=options["tenant"])
            policy = services.set_policy(tenant_id=tenant.id, actor=ACTOR, request_id="", **changes)
            if options["floor"]:
                currency, amount = options["floor"]
                services.set_floor(tenant_id=tenant.id, actor=ACTOR, request_id="", currency=currency, floor=amount_or_none(amount))
            if options["alert_below"]:
                currency, amount = options["alert_below"]
                services.set_alert(tenant_id=tenant.id, actor=ACTOR, request_id="", currency=currency, alert_below=amount_or_none(amount))
        except ValueError as error:
            raise CommandError(f"{error} is no amount: give a number, or none.") from error
        self.stdout.write(
            f"{tenant.slug}: strict types {'on' if policy.strict_types else 'off'}, near-duplicates within "
            f"{policy.near_duplicate_seconds} s, new wallets' floor {policy.default_floor}, longest hold {policy.longest_hold_seconds} s"
        )
