"""The command line of metering.paying.services.expire_payments."""

from argparse import ArgumentParser
from typing import Any

from kernel.base.commands import DomainCommand
from kernel.ledger.identifiers import new_id
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id
from metering.paying import services


class Command(DomainCommand):
    help = (
        "Close payments whose money is held no longer. They hold nothing, even before they are closed. Example: manage.py expire_payments"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)

    def handle(self, *args: Any, **options: Any) -> str:
        tenant_id = chosen_tenant_id(options)
        run = str(new_id())
        closed = services.expire_payments(actor=f"command:expire_payments:{run}", request_id=run, tenant_id=tenant_id)
        return f"{closed} payments expired."
