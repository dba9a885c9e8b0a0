"""A thin mouth over metering.selectors.proofs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.tenants import selectors
from kernel.tenants.errors import DomainError
from metering.selectors import proofs

SHOWN = 20


class Command(BaseCommand):
    help = "Compute the metering book's sums, statuses and supersessions again from the rows, and say where they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="slug or id of one tenant (default: the whole book)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant_id = selectors.get_tenant(tenant=options["tenant"]).id if options["tenant"] else None
        except DomainError as error:
            raise CommandError(str(error)) from error
        found = list(proofs.differences(tenant_id=tenant_id))
        for name, row in found[:SHOWN]:
            self.stderr.write(f"{name}: {row}")
        if found:
            raise CommandError(f"{len(found)} differ. Sums are made anew by rebuild_rollups; anything else was changed behind the ledger.")
        self.stdout.write(self.style.SUCCESS("Sums, statuses and supersessions agree with the rows."))
