"""Calls kernel.tenants.services.revoke_api_key."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from kernel.base.commands import DomainCommand
from kernel.tenants import services


class Command(DomainCommand):
    help = "Revoke an API key by its public prefix. Example: manage.py revoke_api_key 4f1d0c2b9a3e"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", help="the key's public prefix: the part between ch_ and the next underscore")

    def handle(self, *args: Any, **options: Any) -> None:
        key = services.revoke_api_key(prefix=options["prefix"], actor="command:revoke_api_key")
        self.stdout.write(
            self.style.SUCCESS(f"Revoked {key.name} ({key.prefix}). Every process obeys within {settings.API_KEY_CACHE_SECONDS} s.")
        )
