"""Calls metering.rules.services.upkeep."""

from argparse import ArgumentParser
from typing import Any

from kernel.tenants import selectors
from kernel.tenants.commands import DomainCommand
from metering.rules.services import upkeep


class Command(DomainCommand):
    help = "Count the history that new spending rules left over, and delete what has left the windows of their limits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="slug or id of one tenant (default: all)")

    def handle(self, *args: Any, **options: Any) -> str:
        tenant_id = selectors.get_tenant(tenant=options["tenant"]).id if options["tenant"] else None
        completed = upkeep.seed_measures(tenant_id=tenant_id)
        upkeep.clean_counters(actor="command:maintain_rule_counters", tenant_id=tenant_id)
        return f"{completed} measures completed."
