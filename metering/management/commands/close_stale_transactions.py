"""Calls metering.services.lifecycle.close_stale_transactions."""

from argparse import ArgumentParser
from typing import Any

from kernel.base.commands import DomainCommand
from kernel.ledger.identifiers import new_id
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id
from metering.services import close_stale_transactions


class Command(DomainCommand):
    help = "Cancel transactions that stayed authorized beyond their tenant's limit; tenants without a limit are left alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)

    def handle(self, *args: Any, **options: Any) -> str:
        run = new_id()
        tenant_id = chosen_tenant_id(options)
        actor = f"command:close_stale_transactions:{run}"
        closed = close_stale_transactions(actor=actor, request_id=str(run), tenant_id=tenant_id)
        for tenant, count in closed.items():
            self.stdout.write(f"{tenant}: {count}")
        return f"{sum(closed.values())} transactions cancelled."
