"""Undoes a run: a reversing entry for every row that it posted, newest first. Nothing is deleted.

Which runs may be undone: those in a state of `MAY_UNDO` (choices.py) for which the adapter's `blockers` finds no later row that depends
on them. `Undo.check` asks both.
"""

import time
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, transaction

from kernel.backfills import services
from kernel.backfills.adapters import Adapter, UndoStep
from kernel.backfills.applying.apply_run import RETRY_DELAYS, database_lost_error, is_permanent
from kernel.backfills.applying.pacing import Pacer
from kernel.backfills.choices import MAY_UNDO
from kernel.backfills.errors import NotAllowed, RunMoved
from kernel.backfills.models import BackfillRun
from kernel.backfills.terminal.progress_bar import Progress
from kernel.backfills.terminal.stop_requests import Stop
from kernel.base.error_messages import message_for_operator
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import Busy, LedgerError, LedgerUnavailable, OutcomeUnknown

BLOCKERS_LISTED = 100


@dataclass
class Undo:
    """One process's work on undoing one run. The caller holds the lock of the run's file."""

    adapter: Adapter
    run: BackfillRun
    actor: str
    pacer: Pacer
    progress: Progress
    stop: Stop

    def check(self) -> None:
        """Raises NotAllowed if the run's state allows no undo, or with the list of later rows that depend on the run's rows."""
        if self.run.state not in MAY_UNDO:
            raise NotAllowed(f"Run {self.run.id} is {self.run.state}: there is nothing to take back.")
        blockers = list(self.adapter.blockers(self.run.tenant, self.run, at_most=BLOCKERS_LISTED + 1))
        if not blockers:
            return
        more = ["and more"] if len(blockers) > BLOCKERS_LISTED else []
        lines = [f"  {blocker.what}: {blocker.why}" for blocker in blockers[:BLOCKERS_LISTED]]
        raise NotAllowed("\n".join(["The run can't be taken back: later entries depend on it. Reverse these first:", *lines, *more]))

    def work(self) -> None:
        """Reverse every row that isn't reversed yet. Raises BackfillStopped; --undo again continues."""
        self.check()
        services.begin_undo(run=self.run, undone_by=self.actor)
        below = None
        while True:
            self.stop.check()
            began = time.monotonic()
            step, waiting = self._step(below)
            # A batch that found rows and reversed none isn't the last: another call may have reversed them all meanwhile.
            if not step.reversed and step.lowest_id is None and below is None:
                break
            # Each batch begins below the previous one instead of scanning the reversed rows again. An empty batch sets `below` to None:
            # one more pass from the newest row finds what was posted meanwhile.
            below = step.lowest_id
            pause = self.pacer.after_batch(rows=step.reversed, seconds=time.monotonic() - began, waiting=waiting)
            self.progress.advance(step.reversed, note=self.pacer.note)
            self.stop.sleep(pause)
        services.finish_undo(run=self.run)

    def _step(self, below: Any) -> tuple[UndoStep, int]:
        """One batch, tried again while the database is busy or away; and how many sessions waited for its locks.

        A repeated batch reverses no row twice: a reversed row is marked by its reversal.
        """
        for delay in (*RETRY_DELAYS, None):
            try:
                return self._reverse(below)
            except (Busy, OutcomeUnknown, LedgerUnavailable) as trouble:
                if delay is None or is_permanent(trouble):
                    raise database_lost_error(trouble) from trouble
                self.stop.sleep(delay)
            except RunMoved as moved:
                raise NotAllowed("Another process has changed this run.") from moved
            except LedgerError as refused:
                raise NotAllowed(
                    f"A row can't be reversed any more. {message_for_operator(refused)} Reverse what depends on it, then --undo again."
                ) from refused
            except DatabaseError as refused:
                raise database_lost_error(refused) from refused
        raise AssertionError("the last delay is None, so the loop ends inside")

    @translate_db_errors
    def _reverse(self, below: Any) -> tuple[UndoStep, int]:
        with transaction.atomic():
            step = self.adapter.undo(self.run.tenant, self.run, at_most=self.pacer.size, actor=self.actor, below=below)
            if step.reversed:
                services.advance_undo(run=self.run, reversed_rows=step.reversed)
            waiting = self.pacer.sample_waiting()
        return step, waiting
