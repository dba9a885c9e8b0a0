"""A thin mouth over the backfill engine."""

from billing.history.backfill import TransactionsAdapter
from kernel.ledger.backfill.command import BackfillCommand


class Command(BackfillCommand):
    help = "Bring billing transactions in from a file: plan, look, apply, resume, undo."
    adapter = TransactionsAdapter()
