"""What the database itself says about an error, for the operator of a run."""

from collections.abc import Iterator

import psycopg

# Trying again doesn't help; somebody must act first.
PERMANENT = {
    "25006",  # read_only_sql_transaction
    "42501",  # insufficient_privilege
    "53100",  # disk_full
}


def reason(error: BaseException) -> str:
    """The first line of the database's own message, else of the error's."""
    cause = next((one for one in _chain(error) if isinstance(one, psycopg.Error)), error)
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def is_permanent(error: BaseException) -> bool:
    return any(isinstance(one, psycopg.Error) and one.sqlstate in PERMANENT for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
