"""The command of kernel.backfills for credit grants."""

from credits.imports.grants import GrantsAdapter
from kernel.backfills.command import BackfillCommand


class Command(BackfillCommand):
    help = "Bring credit grants in from a file: plan, look, apply, resume, undo."
    adapter = GrantsAdapter()
