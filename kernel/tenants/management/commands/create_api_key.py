"""Calls kernel.tenants.services.create_api_key."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from kernel.base.commands import DomainCommand
from kernel.tenants import selectors, services
from kernel.tenants.scopes import all_scopes

DEFAULT_DAYS = 90
# A hundred years. A key for longer is one without an end, and too many days are no date of the calendar.
MAX_DAYS = 36500


class Command(DomainCommand):
    help = (
        "Create an API key for a tenant and show its secret once."
        " Example: manage.py create_api_key acme --name checkout --scope billing:write --scope billing:read --days 365"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id of the tenant")
        parser.add_argument("--name", default="default", help="what the key is for")
        scopes = parser.add_mutually_exclusive_group(required=True)
        scopes.add_argument("--scope", action="append", choices=all_scopes(), help="what the key may do, repeatable: only what is needed")
        scopes.add_argument("--all-scopes", action="store_true", help="the key may read and write every ledger")
        expiry = parser.add_mutually_exclusive_group()
        expiry.add_argument("--days", type=int, default=DEFAULT_DAYS, help=f"the key expires after so many days (default: {DEFAULT_DAYS})")
        expiry.add_argument("--never-expires", action="store_true", help="the key is valid until it is revoked")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {MAX_DAYS}; a key without an end needs --never-expires.")
        tenant = selectors.get_tenant(tenant=options["tenant"])
        issued = services.create_api_key(
            tenant=tenant,
            name=options["name"],
            actor="command:create_api_key",
            scopes=options["scope"] or all_scopes(),
            expires_at=None if options["never_expires"] else timezone.now() + timedelta(days=options["days"]),
        )
        expiry = f"until {issued.key.expires_at:%Y-%m-%d}" if issued.key.expires_at else "until it is revoked"
        self.stdout.write(
            self.style.SUCCESS(f"Created API key {issued.key.name} of {tenant.slug}, valid {expiry}, for {', '.join(issued.key.scopes)}.")
        )
        self.stdout.write("Its secret is shown only now:")
        self.stdout.write(f"  Authorization: Bearer {issued.token}")
        self.stdout.write(f"  x-api-key: {issued.token}")
        self.stdout.write(f"  Basic (clientId:clientSecret): {issued.basic}")
        self.stdout.write(f"Revoke it with: manage.py revoke_api_key {issued.key.prefix}")
