"""Posts a planned file batch by batch, each batch with its checkpoint in one transaction.

A killed run resumes at the checkpoint. `save_checkpoint` (services/runs.py) moves it by compare-and-set, as `save_share` does that of a
share, so no batch is posted twice.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection, transaction

from kernel.backfills import services
from kernel.backfills.adapters import ALREADY_THERE, CONFLICT, SKIPPED, Adapter, NewTypes, Outcome, audit_fields
from kernel.backfills.applying import locks
from kernel.backfills.applying.pacing import Pacer
from kernel.backfills.choices import RunState
from kernel.backfills.errors import DatabaseLost, NotAllowed, RunMoved
from kernel.backfills.make_reader import make_reader
from kernel.backfills.models import BackfillReject, BackfillRun, BackfillShare
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.prefetching import read_chunks
from kernel.backfills.reading.rows import Posting, Row
from kernel.backfills.reading.sources import Reading, Source
from kernel.backfills.reimport_after_undo import choose_keys, outcome_taken_back, undone_runs
from kernel.backfills.rejects import outcome_without_posting
from kernel.backfills.terminal.progress_bar import Progress
from kernel.backfills.terminal.stop_requests import Stop
from kernel.ledger.database_errors import reason_for_operators, translate_db_errors
from kernel.ledger.errors import Busy, LedgerError, LedgerUnavailable, OutcomeUnknown
from kernel.ledger.outcomes import POSTED

# Seconds between the tries of one batch while the database is busy or away; after the last one the run stops.
RETRY_DELAYS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30)
PAUSE_CHECK_SECONDS = 1.0


@dataclass
class BatchResult:
    """Counts, sums and rejects of one batch, to be added to the run's."""

    counts: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Decimal] = field(default_factory=dict)
    rejects: list[BackfillReject] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """The progress of a run, as the columns of its row."""

    position: int
    line: int
    offset: int
    counts: dict[str, int]
    sums: dict[str, str]

    def copy_to(self, mark: BackfillRun | BackfillShare) -> None:
        """Set the committed values on the object in memory."""
        for name, value in asdict(self).items():
            setattr(mark, name, value)


@dataclass
class ApplyRun:
    """One process's work on one run. The caller holds the lock of the run's file."""

    adapter: Adapter
    run: BackfillRun
    source: Source
    pacer: Pacer
    progress: Progress
    stop: Stop
    new_types: NewTypes = field(default_factory=dict)
    # The share that this process posts, of a run with several jobs.
    share: BackfillShare | None = None

    @property
    def checkpoint_row(self) -> BackfillRun | BackfillShare:
        """Where the checkpoint is kept."""
        return self.share or self.run

    def work(self) -> None:
        """Post every row after the checkpoint. Raises BackfillStopped; the run can be resumed afterwards."""
        with Reading(self.source, offset=self.checkpoint_row.offset, line=self.checkpoint_row.line) as reading:
            options = ReadingOptions.from_json(self.run.options)
            audit = audit_fields(self.run)
            share = None if self.share is None else (self.share.number, self.run.jobs)
            reader = make_reader(self.adapter, tenant=self.run.tenant, source=self.source, options=options, audit=audit, share=share)
            with contextlib.closing(read_chunks(reading, reader, size=self.pacer.batch_size)) as chunks:
                for chunk in chunks:
                    reading.check_unchanged()
                    for batch in self._batches(chunk):
                        self._apply_batch(batch)
        if self.share is None and self.run.position != self.run.rows:
            raise NotAllowed(f"The file ended at row {self.run.position} where the plan counted {self.run.rows}. Plan again.")

    def _batches(self, chunk: list[Row]) -> Iterator[list[Row]]:
        """The chunk in batches of the size that the pacer allows at that moment."""
        begin = 0
        while begin < len(chunk):
            batch = chunk[begin : begin + self.pacer.size]
            begin += len(batch)
            yield batch

    def _apply_batch(self, batch: list[Row]) -> None:
        # No batch begins after a stop was requested.
        self.stop.check()
        began = time.monotonic()
        waiting = self._post_with_retries(batch)
        pause = self.pacer.after_batch(rows=len(batch), seconds=time.monotonic() - began, waiting=waiting)
        self.progress.advance(len(batch), note=self.pacer.note)
        self.stop.sleep(pause)

    def _post_with_retries(self, batch: list[Row]) -> int:
        """Post the batch once, trying again while the database is busy or away. Returns how many sessions waited for its locks.

        After a lost connection the checkpoint says whether the batch was committed, so it is never posted twice.
        """
        for delay in (*RETRY_DELAYS, None):
            target = self.checkpoint_row.position + len(batch)
            try:
                return self._post(batch)
            except RunMoved:
                self._wait_while_paused()
                return self._post_with_retries(batch)
            except (Busy, OutcomeUnknown, LedgerUnavailable) as trouble:
                if delay is None or is_permanent(trouble):
                    raise database_lost_error(trouble) from trouble
                self.progress.advance(0, note=f"trying again: {reason_for_operators(trouble)}")
                self.stop.sleep(delay)
                self.stop.check()
                if isinstance(trouble, OutcomeUnknown):
                    self._reconnect()
                # The batch was committed; only the answer was lost.
                if self.checkpoint_row.position == target:
                    return 0
            except DatabaseError as refused:
                raise database_lost_error(refused) from refused
        raise AssertionError("the last delay is None, so the loop ends inside")

    def _reconnect(self) -> None:
        """After a lost connection: connect again, take the lock again, and read the checkpoint, which stays as it is if that fails.

        The server may not have noticed the loss yet, so that the old session still holds the lock. The run goes on without it: the
        checkpoint's compare-and-set lets only one process advance.
        """
        connection.close()
        with contextlib.suppress(DatabaseError, InterfaceError):
            with contextlib.suppress(NotAllowed):
                number = locks.run_lock_number(self.run, None if self.share is None else self.share.number)
                locks.acquire(number, wait=False, stop=self.stop)
            self.checkpoint_row.refresh_from_db()

    @translate_db_errors
    def _post(self, batch: list[Row]) -> int:
        try:
            return self._post_whole(batch)
        except (Busy, OutcomeUnknown, LedgerUnavailable, RunMoved):
            raise
        except (LedgerError, DataError, IntegrityError):
            # One row made the whole call fail. Posted singly, only that row is refused.
            return self._post_singly(batch)

    def _post_whole(self, batch: list[Row]) -> int:
        choose_keys(self.adapter, self.run.tenant, batch)
        postings = [row.posting for row in batch if row.posting is not None]
        with transaction.atomic():
            outcomes = self._outcomes(postings) if postings else []
            checkpoint = self._write_checkpoint(batch, outcomes)
            waiting = self.pacer.sample_waiting()
        checkpoint.copy_to(self.checkpoint_row)
        return waiting

    def _post_singly(self, batch: list[Row]) -> int:
        with transaction.atomic():
            outcomes = [self._post_one(row.posting) for row in batch if row.posting is not None]
            checkpoint = self._write_checkpoint(batch, outcomes)
        checkpoint.copy_to(self.checkpoint_row)
        return 0

    def _outcomes(self, postings: list[Posting]) -> Sequence[Outcome]:
        self.adapter.complete(self.run.tenant, postings, self.new_types)
        return self._with_taken_back(postings, self.adapter.post(self.run.tenant, postings, self.run))

    def _with_taken_back(self, postings: list[Posting], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """The same outcomes, but `taken_back` for an existing row whose run was undone."""
        there = [posting.key for posting, outcome in zip(postings, outcomes, strict=True) if outcome.code in {ALREADY_THERE, CONFLICT}]
        found = self.adapter.existing(self.run.tenant, there) if there else {}
        undone = undone_runs(self.run.tenant, found.values())
        if not undone:
            return outcomes
        gone = {key: outcome_taken_back(row.request_id) for key, row in found.items() if row.request_id in undone}
        return [gone.get(posting.key, outcome) for posting, outcome in zip(postings, outcomes, strict=True)]

    def _post_one(self, posting: Posting) -> Outcome:
        try:
            with transaction.atomic():
                return self._outcomes([posting])[0]
        except (Busy, OutcomeUnknown, LedgerUnavailable):
            raise
        except LedgerError as error:
            return Outcome(error.code, str(error))
        except (DataError, IntegrityError) as error:
            return Outcome("refused", reason_for_operators(error))

    def _write_checkpoint(self, batch: list[Row], outcomes: Sequence[Outcome]) -> Checkpoint:
        """Called inside the transaction that posts the rows."""
        result = self._count_outcomes(batch, outcomes)
        sums = {unit: Decimal(amount) for unit, amount in self.checkpoint_row.sums.items()}
        for unit, amount in result.sums.items():
            sums[unit] = sums.get(unit, Decimal(0)) + amount
        checkpoint = Checkpoint(
            position=self.checkpoint_row.position + len(batch),
            line=batch[-1].end_line,
            offset=batch[-1].end,
            counts=dict(Counter(self.checkpoint_row.counts) + result.counts),
            sums={unit: f"{amount:f}" for unit, amount in sorted(sums.items())},
        )
        if self.share is None:
            services.save_checkpoint(run=self.run, rejects=result.rejects, **asdict(checkpoint))
        else:
            services.save_share(run=self.run, share=self.share, rejects=result.rejects, **asdict(checkpoint))
        return checkpoint

    def _count_outcomes(self, batch: list[Row], outcomes: Sequence[Outcome]) -> BatchResult:
        result = BatchResult()
        posted = iter(outcomes)
        for row in batch:
            posting = row.posting
            outcome = outcome_without_posting(row) if posting is None else next(posted)
            result.counts[outcome.code] += 1
            if outcome.code == POSTED and posting is not None:
                add_amounts(result.sums, posting)
            elif outcome.code not in {ALREADY_THERE, SKIPPED}:
                result.rejects.append(self._reject(row, outcome))
        return result

    def _reject(self, row: Row, outcome: Outcome) -> BackfillReject:
        first = row.problems[0] if row.problems else None
        return BackfillReject(
            tenant_id=self.run.tenant_id,
            run_id=self.run.id,
            part=row.part,
            line=row.line,
            code=first.code if first is not None and first.code == "unreadable" else outcome.code,
            column="" if first is None else first.column[:64],
            why=outcome.why.replace("\x00", "\\0"),
            record=row.raw,
        )

    def _wait_while_paused(self) -> None:
        """Wait until the paused run is resumed. Raises NotAllowed if another process advanced or ended it."""
        position = self.checkpoint_row.position
        while True:
            self.run.refresh_from_db()
            self.checkpoint_row.refresh_from_db()
            if self.checkpoint_row.position != position:
                raise NotAllowed("Another process has continued this run.")
            if self.run.state == RunState.RUNNING:
                return
            if self.run.state != RunState.PAUSED:
                raise NotAllowed(f"The run is {self.run.state} now.")
            self.progress.advance(0, note=self.run.stopped_because)
            self.stop.sleep(PAUSE_CHECK_SECONDS)
            self.stop.check()


def is_permanent(error: LedgerError) -> bool:
    """Trying again doesn't help: the database takes no postings until an operator has acted."""
    return isinstance(error, LedgerUnavailable) and not error.is_cancelled


def database_lost_error(error: Exception) -> DatabaseLost:
    """Why the database ended the work, in its own words."""
    if isinstance(error, Busy | OutcomeUnknown | LedgerUnavailable) and not is_permanent(error):
        code = Busy.code if isinstance(error, LedgerUnavailable) else error.code
        return DatabaseLost(f"The database was {code} for too long: {reason_for_operators(error)}.")
    return DatabaseLost(f"The database refused: {reason_for_operators(error)}.")


def add_amounts(sums: dict[str, Decimal], posting: Posting) -> None:
    for unit, amount in posting.amounts:
        sums[unit] = sums.get(unit, Decimal(0)) + amount
