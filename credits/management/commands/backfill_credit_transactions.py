"""A thin mouth over the backfill engine."""

from credits.history.transactions import TransactionsAdapter
from kernel.ledger.backfill.command import BackfillCommand


class Command(BackfillCommand):
    help = "Bring credit transactions in from a file: plan, look, apply, resume, undo."
    adapter = TransactionsAdapter()
