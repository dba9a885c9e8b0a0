"""Calls metering.rules.services.upkeep."""

from argparse import ArgumentParser
from typing import Any

from kernel.base.commands import DomainCommand
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id
from metering.rules import services


class Command(DomainCommand):
    help = "Count the history that new spending rules left over, and delete what has left the windows of their limits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)

    def handle(self, *args: Any, **options: Any) -> str:
        tenant_id = chosen_tenant_id(options)
        completed = services.seed_measures(tenant_id=tenant_id)
        services.clean_counters(actor="command:maintain_rule_counters", tenant_id=tenant_id)
        return f"{completed} measures completed."
