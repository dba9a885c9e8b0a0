"""The command line of credits.services.issue_due_grants."""

from argparse import ArgumentParser
from typing import Any

from tqdm import tqdm

from credits import selectors, services
from kernel.base.commands import DomainCommand
from kernel.ledger.identifiers import new_id
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id


class Command(DomainCommand):
    help = "Issue what is due of recurring grants, each grant exactly once, however late. Example: manage.py issue_recurring_credits"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)

    def handle(self, *args: Any, **options: Any) -> str:
        tenant_id = chosen_tenant_id(options)
        due = len(selectors.due_recurring_grants(tenant_id=tenant_id))
        run = str(new_id())
        batches = services.issue_due_grants(actor=f"command:issue_recurring_credits:{run}", request_id=run, tenant_id=tenant_id)
        issued = sum(len(rows) for rows in tqdm(batches, total=due, unit="recurring grant", disable=None if options["verbosity"] else True))
        return f"{issued} grants issued."
