"""The command line of credits.services.expire_holds."""

from argparse import ArgumentParser
from typing import Any

from tqdm import tqdm

from credits import selectors, services
from kernel.base.commands import DomainCommand
from kernel.ledger.identifiers import new_id
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id


class Command(DomainCommand):
    help = "Close overdue holds. They reserve nothing, even before they are closed. Example: manage.py expire_holds"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)

    def handle(self, *args: Any, **options: Any) -> str:
        tenant_id = chosen_tenant_id(options)
        overdue = len(selectors.overdue_holds(tenant_id=tenant_id))
        run = str(new_id())
        outcomes = services.expire_holds(actor=f"command:expire_holds:{run}", request_id=run, tenant_id=tenant_id)
        bar = tqdm(outcomes, total=overdue, unit="hold", disable=None if options["verbosity"] else True)
        closed = sum(hold.is_new for hold in bar)
        return f"{closed} holds expired."
