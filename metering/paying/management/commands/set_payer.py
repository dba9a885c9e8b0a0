"""The command line of metering.paying.services.set_payer."""

from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandError

from kernel.base.commands import DomainCommand
from kernel.ledger.identifiers import new_id
from kernel.tenants.selectors import get_tenant
from metering.paying import services


class Command(DomainCommand):
    help = (
        "Set whether a payer pays a tenant's challenges, and within which limits; what isn't named is no limit."
        " Example: manage.py set_payer acme ledger --max 50 USD --pay-to shop.example"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id of the tenant that pays")
        parser.add_argument("payer", help="the payer, as ledger")
        parser.add_argument("--disable", action="store_true", help="the payer pays nothing more")
        parser.add_argument("--max", nargs=2, metavar=("AMOUNT", "CURRENCY"), help="the most for one payment; none in another currency")
        parser.add_argument("--network", action="append", default=[], help="a network that may be paid on; may be repeated")
        parser.add_argument("--pay-to", action="append", default=[], help="a payTo that may be paid; may be repeated")

    def handle(self, *args: Any, **options: Any) -> str:
        run = str(new_id())
        amount, currency = options["max"] or (None, "")
        try:
            tenant = get_tenant(tenant=options["tenant"])
            who: dict[str, Any] = {"tenant_id": tenant.id, "actor": f"command:set_payer:{run}", "request_id": run}
            limits: dict[str, Any] = {"max_amount": amount and Decimal(amount), "max_currency": currency}
            names: dict[str, Any] = {"networks": options["network"], "pay_to": options["pay_to"]}
            setting = services.set_payer(**who, payer=options["payer"], is_enabled=not options["disable"], **limits, **names)
        except InvalidOperation as error:
            raise CommandError(f"{amount} is no amount.") from error
        if not setting.is_enabled:
            return f"{tenant.slug}: the payer {setting.payer} pays nothing."
        most = f"at most {amount} {currency} for one payment" if amount else "any amount"
        networks, pay_to = (", ".join(values) or "all" for values in (setting.networks, setting.pay_to))
        return f"{tenant.slug}: the payer {setting.payer} pays {most}; networks: {networks}; payTo: {pay_to}."
