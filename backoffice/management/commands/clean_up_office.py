"""Calls backoffice.clean_up.delete_old_rows."""

from typing import Any

from django.core.management.base import BaseCommand

from backoffice import clean_up


class Command(BaseCommand):
    help = "Delete exports older than a week and sign-ins older than 90 days. The worker does it daily. Example: manage.py clean_up_office"

    def handle(self, *args: Any, **options: Any) -> str:
        return f"{clean_up.delete_old_rows()} rows deleted."
