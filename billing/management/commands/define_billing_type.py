"""Defines a transaction type of a tenant: billing.services.define_type."""

from argparse import ArgumentParser
from typing import Any

from billing import services
from billing.choices import Direction
from kernel.base.commands import DomainCommand
from kernel.tenants.selectors import get_tenant


class Command(DomainCommand):
    help = "Put a transaction type in a tenant's catalogue. Example: manage.py define_billing_type acme tip debit --label 'Agent tip'"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id")
        parser.add_argument("code", help="what callers send as `type`")
        parser.add_argument(
            "direction", choices=Direction.values, help="what its amounts do to the wallet; fixed once a transaction uses the type"
        )
        parser.add_argument("--label", default="", help="what people call it (default: the code)")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = get_tenant(tenant=options["tenant"])
        defined = services.define_type(
            tenant_id=tenant.id,
            actor="command:define_billing_type",
            request_id="",
            code=options["code"],
            label=options["label"],
            direction=options["direction"],
        )
        self.stdout.write(self.style.SUCCESS(f"{tenant.slug}: {defined.code} is a {defined.direction} called {defined.label!r}"))
