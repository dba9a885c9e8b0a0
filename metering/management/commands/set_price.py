"""Calls metering.services.prices.set_price."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from kernel.base.commands import DomainCommand
from kernel.tenants import selectors
from metering.services import parse_unit, set_price


def unit(text: str) -> dict[str, Any]:
    """A unit price as prices.parse_unit reads it. Raises ArgumentTypeError."""
    try:
        return parse_unit(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


class Command(DomainCommand):
    help = "Begin a price in a tenant's book. Example: manage.py set_price acme --resource model-1 inputTokens=2/1000000"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id of the tenant")
        parser.add_argument(
            "units",
            nargs="*",
            type=unit,
            help="KEY[ in KEY]=AMOUNT[/PER][!][?], one for each quantity in the facts; `in none`: no part of another; !: begun packages "
            "are billed; ?: may be absent; AMOUNT@UP_TO,AMOUNT: tiers, with volume: before them all of it costs one tier's amount",
        )
        parser.add_argument("--flat", type=Decimal, default=Decimal(0), help="what each call costs, whatever it used")
        parser.add_argument("--minimum", type=Decimal, default=Decimal(0), help="what a call costs at least")
        parser.add_argument("--markup", type=Decimal, help="instead of units: the share added to the public price, 0.2 for 20 %% more")
        for name in ("service", "action", "resource"):
            parser.add_argument(f"--{name}", default="", help=f"only this {name} (default: any)")
        parser.add_argument("--currency", default="USD", help="ISO 4217 (default: USD)")
        parser.add_argument("--from", dest="valid_from", type=datetime.fromisoformat, help="valid from this moment on (default: now)")

    def handle(self, *args: Any, **options: Any) -> str:
        begin = options["valid_from"] or timezone.now()
        names = {f"{name}_name": options[name] for name in ("service", "action", "resource")}
        tenant = selectors.get_tenant(tenant=options["tenant"])
        price_id = set_price(
            tenant_id=tenant.id,
            actor="command:set_price",
            request_id="",
            units=options["units"],
            valid_from=begin if begin.tzinfo else begin.replace(tzinfo=UTC),
            currency=options["currency"],
            flat_amount=options["flat"],
            minimum=options["minimum"],
            markup=options["markup"],
            **names,
        )
        return f"Price {price_id} of {tenant.slug} is valid from {begin.isoformat()}."
