"""Works on the files that staff uploaded."""

from typing import Any

from django.core.management.base import BaseCommand

from kernel.backfills.uploads.background_work import work_on_uploads


class Command(BaseCommand):
    help = (
        "Plan the files that staff uploaded, post what was asked for, and take back. The worker runs it every minute and at once when"
        " there is something to do; it ends when nothing is left."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{work_on_uploads()} pieces of work ended.")
