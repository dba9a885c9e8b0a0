"""Calls backoffice.credit_days.close_days."""

from typing import Any

from django.core.management.base import BaseCommand

from backoffice import credit_days


class Command(BaseCommand):
    help = (
        "Sum the credit of the days that are over, for the dashboard. The worker does it every hour. Example: manage.py close_credit_days"
    )

    def handle(self, *args: Any, **options: Any) -> str:
        return f"{credit_days.close_days()} days summed."
