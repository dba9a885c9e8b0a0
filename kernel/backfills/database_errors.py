"""What the database itself says about an error, for the operator of a run."""

from collections.abc import Iterator

import psycopg


def reason(error: BaseException) -> str:
    """The first line of the database's own message, else of the error's."""
    cause = next((one for one in _chain(error) if isinstance(one, psycopg.Error)), error)
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
