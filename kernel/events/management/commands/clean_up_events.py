"""Deletes old events and attempts: the periodic job, for installations that use cron."""

from typing import Any

from django.core.management.base import BaseCommand

from kernel.events.services.clean_up import delete_old_events


class Command(BaseCommand):
    help = "Delete events older than 90 days, with their deliveries, and attempts older than 30 days."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{sum(delete_old_events())} rows deleted")
