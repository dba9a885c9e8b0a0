"""A thin mouth over kernel.tenants.services.create_api_key."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kernel.tenants import selectors, services
from kernel.tenants.choices import SCOPES
from kernel.tenants.errors import DomainError


class Command(BaseCommand):
    help = "Create an API key for a tenant and show its secret once. Example: manage.py create_api_key acme --name checkout --days 90"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id of the tenant")
        parser.add_argument("--name", default="default", help="what the key is for")
        parser.add_argument("--scope", action="append", choices=SCOPES, help="a right of the key, repeatable (default: all)")
        parser.add_argument("--days", type=int, help="the key expires after so many days (default: never)")

    def handle(self, *args: Any, **options: Any) -> None:
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        try:
            tenant = selectors.get_tenant(tenant=options["tenant"])
            issued = services.create_api_key(
                tenant=tenant,
                name=options["name"],
                actor="command:create_api_key",
                scopes=options["scope"] or SCOPES,
                expires_at=expires_at,
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"Created API key {issued.key.name} of {tenant.slug}. Its secret is shown only now:"))
        self.stdout.write(f"  Authorization: Bearer {issued.token}")
        self.stdout.write(f"  x-api-key: {issued.token}")
        self.stdout.write(f"  Basic (clientId:clientSecret): {issued.basic}")
        self.stdout.write(f"Revoke it with: manage.py revoke_api_key {issued.key.prefix}")
