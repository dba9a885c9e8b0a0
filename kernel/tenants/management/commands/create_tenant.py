"""Calls kernel.tenants.services.create_tenant."""

from argparse import ArgumentParser
from typing import Any

from kernel.base.commands import DomainCommand
from kernel.tenants import selectors, services


class Command(DomainCommand):
    help = "Create a tenant: a company with ledgers of its own. Example: manage.py create_tenant acme --name 'Acme Inc.' --currency EUR"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="short name, unique: lower-case letters, digits, hyphens")
        parser.add_argument("--name", help="full name (default: the slug)")
        parser.add_argument("--currency", default="USD", help="ISO 4217 code of amounts that don't name one (default: USD)")
        parser.add_argument("--parent", help="slug or id of the tenant that may act for this one")

    def handle(self, *args: Any, **options: Any) -> None:
        parent = selectors.get_tenant(tenant=options["parent"]) if options["parent"] else None
        tenant = services.create_tenant(
            actor="command:create_tenant",
            name=options["name"] or options["slug"],
            slug=options["slug"],
            currency=options["currency"],
            parent=parent,
        )
        self.stdout.write(self.style.SUCCESS(f"Created tenant {tenant.slug}: {tenant.id}"))
