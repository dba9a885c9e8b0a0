"""The command line of credits.services.expire_holds."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from credits import selectors, services
from kernel.ledger.identifiers import new_id
from kernel.ledger.outcomes import POSTED
from kernel.tenants.errors import DomainError
from kernel.tenants.messages import message_for_operator
from kernel.tenants.selectors import get_tenant


class Command(BaseCommand):
    help = "Close overdue holds. They reserve nothing, even before they are closed. Example: manage.py expire_holds"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="slug or id; every tenant by default")

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            tenant_id = get_tenant(tenant=options["tenant"]).id if options["tenant"] else None
            overdue = len(selectors.overdue_holds(tenant_id=tenant_id))
            run = str(new_id())
            outcomes = services.expire_holds(actor=f"command:expire_holds:{run}", request_id=run, tenant_id=tenant_id)
            bar = tqdm(outcomes, total=overdue, unit="hold", disable=None if options["verbosity"] else True)
            closed = sum(outcome.outcome == POSTED for outcome in bar)
        except DomainError as error:
            raise CommandError(message_for_operator(error)) from error
        return f"{closed} holds expired."
