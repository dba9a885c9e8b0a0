"""Why a backfill stops. These speak to a person at a terminal, so unlike a ledger's errors they carry sentences."""


class BackfillStopped(Exception):
    """The base: the text is one paragraph that says what happened and what to do."""

    # What the process exits with. The numbers are in docs/operations.md.
    exit_code = 3


class BadSource(BackfillStopped):
    """The file can't be read, or isn't what its options say."""


class Refused(BackfillStopped):
    """The run may not do this now: another one works on the file, the file changed, its state forbids it, later entries depend on it."""


class Interrupted(BackfillStopped):
    """Stopped on request at the end of a batch; nothing is half done."""

    exit_code = 130


class Lost(BackfillStopped):
    """The database was away or busy for too long; everything up to the checkpoint is in the book."""

    exit_code = 4


class ReaderLost(BackfillStopped):
    """The process that reads the file is gone; everything up to the checkpoint is in the book."""

    exit_code = 4
