"""The command of kernel.backfills for metered transactions."""

from kernel.backfills.command import BackfillCommand
from metering.imports.transactions import TransactionsAdapter


class Command(BackfillCommand):
    help = "Bring metered transactions with their costs in from a file: plan, look, apply, resume, undo."
    adapter = TransactionsAdapter()
