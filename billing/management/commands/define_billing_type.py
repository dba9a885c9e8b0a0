"""Defines a transaction type of a tenant: billing.services.define_type."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import services
from billing.choices import Direction
from kernel.tenants.errors import DomainError
from kernel.tenants.messages import message_for_operator
from kernel.tenants.selectors import get_tenant


class Command(BaseCommand):
    help = "Put a transaction type in a tenant's catalogue. Example: manage.py define_billing_type acme tip debit --label 'Agent tip'"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id")
        parser.add_argument("code", help="what callers send as `type`")
        parser.add_argument(
            "direction", choices=Direction.values, help="what its amounts do to the wallet; fixed once a transaction uses the type"
        )
        parser.add_argument("--label", default="", help="what people call it (default: the code)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = get_tenant(tenant=options["tenant"])
            defined = services.define_type(
                tenant_id=tenant.id,
                actor="command:define_billing_type",
                code=options["code"],
                label=options["label"],
                direction=options["direction"],
            )
        except DomainError as error:
            raise CommandError(message_for_operator(error)) from error
        self.stdout.write(self.style.SUCCESS(f"{tenant.slug}: {defined.code} is a {defined.direction} called {defined.label!r}"))
