"""A thin mouth over metering.services.policies.set_policy."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.tenants import selectors
from kernel.tenants.errors import DomainError
from metering.services.policies import set_policy


class Command(BaseCommand):
    help = "Set how a tenant's transactions are decided and closed. Example: manage.py set_metering_policy acme --stale-after-hours 24"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id of the tenant")
        parser.add_argument("--stale-after-hours", type=float, help="cancel what stays authorized for longer (default: never)")
        parser.add_argument("--decide-later", action="store_true", help="new transactions wait as pending for a decision")

    def handle(self, *args: Any, **options: Any) -> str:
        hours = options["stale_after_hours"]
        try:
            tenant = selectors.get_tenant(tenant=options["tenant"])
            set_policy(
                tenant_id=tenant.id,
                actor="command:set_metering_policy",
                request_id="",
                authorizes_at_once=not options["decide_later"],
                stale_after=None if hours is None else timedelta(hours=hours),
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        return f"{tenant.slug}: {'decided later' if options['decide_later'] else 'authorized at once'}, stale after {hours or 'no'} hours."
