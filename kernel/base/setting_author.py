"""Names the author of changes to settings, for the triggers that record them in the history of settings (backoffice_change)."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

# Parameters of the database session; backoffice/sql/backoffice_record_change.sql reads them.
PARAMETERS = ("countinghouse.actor", "countinghouse.request_id")
SET = "SELECT set_config(%s, %s, true)"


@contextmanager
def setting_author(*, actor: str, request_id: str = "") -> Iterator[None]:
    """Run the block in one transaction in which `actor` is recorded as the author of every change of a setting.

    Afterwards the previous values stand again, so that the next change in an outer transaction isn't recorded under this name.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(current_setting(%s, true), ''), coalesce(current_setting(%s, true), '')", PARAMETERS)
            previous = cursor.fetchone()
            cursor.executemany(SET, list(zip(PARAMETERS, (actor, request_id), strict=True)))
        yield
        # An exception rolls the transaction back, and the parameters with it.
        with connection.cursor() as cursor:
            cursor.executemany(SET, list(zip(PARAMETERS, previous, strict=True)))
