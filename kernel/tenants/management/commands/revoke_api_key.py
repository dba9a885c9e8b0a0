"""Calls kernel.tenants.services.revoke_api_key."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kernel.tenants import services
from kernel.tenants.errors import DomainError
from kernel.tenants.messages import message_for_operator


class Command(BaseCommand):
    help = "Revoke an API key by its public prefix. Example: manage.py revoke_api_key 4f1d0c2b9a3e"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", help="the key's public prefix: the part between ch_ and the next underscore")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key = services.revoke_api_key(prefix=options["prefix"], actor="command:revoke_api_key")
        except DomainError as error:
            raise CommandError(message_for_operator(error)) from error
        self.stdout.write(
            self.style.SUCCESS(f"Revoked {key.name} ({key.prefix}). Every process obeys within {settings.API_KEY_CACHE_SECONDS} s.")
        )
