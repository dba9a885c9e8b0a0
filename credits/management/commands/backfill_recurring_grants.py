"""The command of kernel.backfills for recurring grants."""

from credits.imports.recurring_grants import RecurringGrantsAdapter
from kernel.backfills.command import BackfillCommand


class Command(BackfillCommand):
    help = "Bring recurring grants in from a file: plan, look, apply, resume, undo. Their grants come with backfill_credit_grants."
    adapter = RecurringGrantsAdapter()
