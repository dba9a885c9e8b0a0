"""Taking a run back: reversing entries for every row it posted, newest first; nothing is deleted."""

import time
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from kernel.backfills import services
from kernel.backfills.adapters import Adapter, UndoStep
from kernel.backfills.applying import RETRY_DELAYS
from kernel.backfills.choices import MAY_UNDO
from kernel.backfills.errors import DatabaseLost, NotAllowed, RunMoved
from kernel.backfills.models import BackfillRun
from kernel.backfills.pacing import Pacer
from kernel.backfills.progress import Progress
from kernel.backfills.signals import Stop
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import Busy, LedgerError, OutcomeUnknown

BLOCKERS_SHOWN = 100


@dataclass
class Undo:
    """One process's work on taking one run back. The caller holds the lock of the run's file."""

    adapter: Adapter
    run: BackfillRun
    actor: str
    pacer: Pacer
    progress: Progress
    stop: Stop

    def check(self) -> None:
        """Raises NotAllowed where nothing is to be taken back, or with the list of what rests on the run's rows."""
        if self.run.state not in MAY_UNDO:
            raise NotAllowed(f"Run {self.run.id} is {self.run.state}: there is nothing to take back.")
        blockers = list(self.adapter.blockers(self.run.tenant, self.run, at_most=BLOCKERS_SHOWN + 1))
        if not blockers:
            return
        more = ["and more"] if len(blockers) > BLOCKERS_SHOWN else []
        lines = [f"  {blocker.what}: {blocker.why}" for blocker in blockers[:BLOCKERS_SHOWN]]
        raise NotAllowed("\n".join(["The run can't be taken back: later entries depend on it. Reverse these first:", *lines, *more]))

    def work(self) -> None:
        """Reverse everything that is left. Raises NotAllowed, Interrupted, DatabaseLost; --undo again goes on."""
        self.check()
        services.begin_undo(run=self.run, undone_by=self.actor)
        below = None
        while True:
            self.stop.check()
            began = time.monotonic()
            step, waiting = self._step(below)
            if not step.reversed and below is None:
                break
            # Each batch begins where the last one ended, or it would pass over all that is reversed; at the end once more from the top.
            below = step.lowest
            rest = self.pacer.after_batch(rows=step.reversed, seconds=time.monotonic() - began, waiting=waiting)
            self.progress.advance(step.reversed, note=self.pacer.note)
            self.stop.sleep(rest)
        services.finish_undo(run=self.run)

    def _step(self, below: Any) -> tuple[UndoStep, int]:
        """What was reversed, and how many sessions waited for us meanwhile."""
        for rest in (*RETRY_DELAYS, None):
            try:
                return self._reverse(below)
            except (Busy, OutcomeUnknown) as trouble:
                # What is reversed is marked by its reversal, so a repeat finds only what is left.
                if rest is None:
                    raise DatabaseLost(f"The database was {trouble.code} for too long.") from trouble
                self.stop.sleep(rest)
            except RunMoved as moved:
                raise NotAllowed("Another process has changed this run.") from moved
            except LedgerError as refused:
                raise NotAllowed(
                    f"A row can't be reversed any more: {refused}. Reverse what came in between, then --undo again."
                ) from refused
        raise AssertionError("the last rest is None, so the loop ends inside")

    @translate_db_errors
    def _reverse(self, below: Any) -> tuple[UndoStep, int]:
        with transaction.atomic():
            step = self.adapter.undo(self.run.tenant, self.run, at_most=self.pacer.size, actor=self.actor, below=below)
            if step.reversed:
                services.advance_undo(run=self.run, reversed_rows=step.reversed)
            waiting = self.pacer.sample_waiting()
        return step, waiting
