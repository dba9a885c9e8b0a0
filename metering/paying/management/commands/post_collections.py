"""The command line of metering.paying.services.post_collections."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.ledger.identifiers import new_id
from kernel.tenants.errors import DomainError
from kernel.tenants.messages import message_for_operator
from metering.paying import services


class Command(BaseCommand):
    help = "Post what was collected to the wallets of those whom it pays, as revenue. Example: manage.py post_collections"

    def handle(self, *args: Any, **options: Any) -> str:
        run = str(new_id())
        try:
            posted = services.post_collections(actor=f"command:post_collections:{run}", request_id=run)
        except DomainError as error:
            raise CommandError(message_for_operator(error)) from error
        return f"{posted} revenues posted."
