"""The command of kernel.backfills for credit transactions."""

from credits.imports.transactions import TransactionsAdapter
from kernel.backfills.command import BackfillCommand


class Command(BackfillCommand):
    help = "Bring credit transactions in from a file: plan, look, apply, resume, undo."
    adapter = TransactionsAdapter()
