"""Calls metering.services.rebuild.rebuild_rollups."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.tenants import selectors
from kernel.tenants.errors import DomainError
from kernel.tenants.messages import message_for_operator
from metering.services.rebuild import rebuild_rollups


class Command(BaseCommand):
    help = "Make a tenant's hourly and daily sums anew from its transactions and costs; recording waits meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True, help="slug or id of the tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = selectors.get_tenant(tenant=options["tenant"])
            rebuild_rollups(tenant_id=tenant.id)
        except DomainError as error:
            raise CommandError(message_for_operator(error)) from error
        self.stdout.write(self.style.SUCCESS(f"The sums of {tenant.slug} are made anew."))
