"""Under whose name a change is written down by the triggers that keep the history of settings."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def acting_as(actor: str, *, request_id: str = "") -> Iterator[None]:
    """All changes of settings inside are this actor's, in one transaction."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('countinghouse.actor', %s, true), set_config('countinghouse.request_id', %s, true)", [actor, request_id]
            )
        yield
