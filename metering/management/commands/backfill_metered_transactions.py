"""A thin mouth over the backfill engine."""

from kernel.ledger.backfill.command import BackfillCommand
from metering.history.backfill import TransactionsAdapter


class Command(BackfillCommand):
    help = "Bring metered transactions with their costs in from a file: plan, look, apply, resume, undo."
    adapter = TransactionsAdapter()
