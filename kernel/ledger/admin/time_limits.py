"""A limit on how long a query of a page may take."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled


class TookTooLong(Exception):
    """The database stopped a query at its limit."""


@contextmanager
def time_limit(milliseconds: int) -> Iterator[None]:
    """Each query within takes at most so long. Raises TookTooLong, after which nothing of the block is left in the transaction."""
    is_inner = connection.in_atomic_block
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)", [str(max(milliseconds, 1))]
            )
            before = cursor.fetchone()[0]
            yield
            # The outer transaction goes on without the limit; one that ends here takes it along.
            if is_inner:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TookTooLong from error
        raise
