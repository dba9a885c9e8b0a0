"""Calls metering.rules.services.upkeep."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.tenants import selectors
from kernel.tenants.errors import DomainError
from metering.rules.services import upkeep


class Command(BaseCommand):
    help = "Count the history that new spending rules left over, and delete what has left the windows of their limits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="slug or id of one tenant (default: all)")

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            tenant_id = selectors.get_tenant(tenant=options["tenant"]).id if options["tenant"] else None
            completed = upkeep.seed_measures(tenant_id=tenant_id)
            upkeep.clean_counters(actor="command:maintain_rule_counters", tenant_id=tenant_id)
        except DomainError as error:
            raise CommandError(str(error)) from error
        return f"{completed} measures completed."
