"""Writes the events of grants that expire soon: the periodic job, for installations that use cron."""

from typing import Any

from django.core.management.base import BaseCommand

from credits import services


class Command(BaseCommand):
    help = "Write one event for each grant with a balance that expires soon, for tenants with webhook endpoints."

    def handle(self, *args: Any, **options: Any) -> None:
        written = sum(services.announce_expiring_grants())
        self.stdout.write(f"{written} events written")
