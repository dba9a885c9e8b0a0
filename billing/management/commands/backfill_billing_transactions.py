"""The command of kernel.backfills for billing transactions."""

from billing.imports.transactions import TransactionsAdapter
from kernel.backfills.command import BackfillCommand


class Command(BackfillCommand):
    help = "Bring billing transactions in from a file: plan, look, apply, resume, undo."
    adapter = TransactionsAdapter()
