"""The command line of metering.paying.services.post_collections."""

from typing import Any

from kernel.base.commands import DomainCommand
from kernel.ledger.identifiers import new_id
from metering.paying import services


class Command(DomainCommand):
    help = "Post what was collected to the wallets of those whom it pays, as revenue. Example: manage.py post_collections"

    def handle(self, *args: Any, **options: Any) -> str:
        run = str(new_id())
        posted = services.post_collections(actor=f"command:post_collections:{run}", request_id=run)
        return f"{posted} revenues posted."
