"""The command line of metering.paying.services.set_payee."""

from argparse import ArgumentParser
from typing import Any

from kernel.base.commands import DomainCommand
from kernel.ledger.identifiers import new_id
from kernel.tenants.selectors import get_tenant
from metering.paying import services


class Command(DomainCommand):
    help = "Let a tenant collect what is paid to a name, the payTo of its resources. Example: manage.py set_payee shop shop.example"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id of the tenant that is paid")
        parser.add_argument("pay_to", help="the payTo in the challenges of its resources")

    def handle(self, *args: Any, **options: Any) -> str:
        run = str(new_id())
        tenant = get_tenant(tenant=options["tenant"])
        who: dict[str, Any] = {"tenant_id": tenant.id, "actor": f"command:set_payee:{run}", "request_id": run}
        services.set_payee(**who, pay_to=options["pay_to"])
        return f"{tenant.slug} collects what is paid to {options['pay_to']}."
