"""Why a backfill stops. A person at a terminal reads these, so unlike a ledger's errors they carry sentences."""

from kernel.ledger.errors import LedgerError


class RunMoved(LedgerError):
    """The run isn't running, or its checkpoint isn't where this process left it: paused, or continued elsewhere. Facts: id, position."""

    code = "run_moved"


class RowRefused(Exception):
    """An adapter, or a step of the reader, raises it for a row whose values contradict each other."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column = column
        self.why = why


class BackfillStopped(Exception):
    """The base class. Its text is one paragraph: what happened and what to do."""

    # The process's exit code; docs/operations.md lists them.
    exit_code = 3


class BadSource(BackfillStopped):
    """The file can't be read, or isn't what its options say."""


class NotWritable(BackfillStopped):
    """A file that the command must write can't be written."""


class NotAllowed(BackfillStopped):
    """The run may not do this now: another process works on it, the file changed, its state forbids it, or later rows depend on it."""


class Interrupted(BackfillStopped):
    """Stopped on request at the end of a batch."""

    exit_code = 130


class DatabaseLost(BackfillStopped):
    """The database was away or busy for too long, or refused to write. Everything up to the checkpoint is in the ledger."""

    exit_code = 4


class ReaderLost(BackfillStopped):
    """The process that reads the file died. Everything up to the checkpoint is in the ledger."""

    exit_code = 4


class ReportLost(BackfillStopped):
    """The work is done but its report, or the file of rejected rows, couldn't be written."""

    exit_code = 4
