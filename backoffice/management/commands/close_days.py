"""Calls backoffice.dashboard.day_sums.close_days."""

from typing import Any

from django.core.management.base import BaseCommand

from backoffice.dashboard import day_sums


class Command(BaseCommand):
    help = (
        "Sum what was billed, granted and consumed on the days that are over, for the dashboard. The worker does it every hour."
        " Example: manage.py close_days"
    )

    def handle(self, *args: Any, **options: Any) -> str:
        return f"{day_sums.close_days()} days summed."
