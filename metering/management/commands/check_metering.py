"""A thin mouth over metering.proofs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.tenants import selectors
from kernel.tenants.errors import DomainError
from metering import proofs

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
        found = list(proofs.find_faults(tenant_id=tenant_id, at_most=SHOWN))
        for fault in found:
            facts = ", ".join(f"{name}={value}" for name, value in fault.facts.items())
            self.stderr.write(f"{fault.proof.name}: {fault.proof.says} Not so: {facts}")
        if found:
            raise CommandError(f"{len(found)} faults. Sums are made anew by rebuild_rollups; anything else was changed behind the ledger.")
        self.stdout.write(self.style.SUCCESS("Sums, statuses and supersessions agree with the rows."))
