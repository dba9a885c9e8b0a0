"""Writes the catalogue of event types into docs/webhooks.md: kernel.events.catalogue."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kernel.events.catalogue import with_catalogue


class Command(BaseCommand):
    help = "Write the types of events, as they are registered, into docs/webhooks.md."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if the page isn't up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "webhooks.md"
        page = path.read_text()
        renewed = with_catalogue(page)
        if renewed != page and options["check"]:
            raise CommandError("docs/webhooks.md is not up to date: run manage.py webhook_catalogue")
        path.write_text(renewed)
        self.stdout.write(self.style.SUCCESS("docs/webhooks.md lists every type."))
