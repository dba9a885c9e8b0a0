"""Calls metering.services.rebuild.rebuild_rollups."""

from argparse import ArgumentParser
from typing import Any

from kernel.base.commands import DomainCommand
from kernel.tenants import selectors
from metering.services import rebuild_rollups


class Command(DomainCommand):
    help = "Make a tenant's hourly and daily sums anew from its transactions and costs; recording waits meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True, help="slug or id of the tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = selectors.get_tenant(tenant=options["tenant"])
        rebuild_rollups(tenant_id=tenant.id)
        self.stdout.write(self.style.SUCCESS(f"The sums of {tenant.slug} are made anew."))
