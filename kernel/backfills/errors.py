"""Why a backfill stops. A person at a terminal reads these, so unlike a ledger's errors they carry sentences."""

from kernel.ledger.errors import LedgerError


class RunMoved(LedgerError):
    """The run isn't running, or its checkpoint isn't where this process left it: paused, or continued elsewhere. Facts: id, position."""

    code = "run_moved"


class BackfillStopped(Exception):
    """The base: the text is one paragraph that says what happened and what to do."""

    # What the process exits with. The numbers are in docs/operations.md.
    exit_code = 3


class BadSource(BackfillStopped):
    """The file can't be read, or isn't what its options say."""


class NotAllowed(BackfillStopped):
    """The run may not do this now: another one works on the file, the file changed, its state forbids it, later entries depend on it."""


class Interrupted(BackfillStopped):
    """Stopped on request at the end of a batch; nothing is half done."""

    exit_code = 130


class DatabaseLost(BackfillStopped):
    """The database was away or busy for too long; everything up to the checkpoint is in the book."""

    exit_code = 4


class ReaderLost(BackfillStopped):
    """The process that reads the file is gone; everything up to the checkpoint is in the book."""

    exit_code = 4
