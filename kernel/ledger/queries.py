"""Runs one SQL statement and fetches its rows: for statements that are no postings, from selectors and services alike."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from kernel.ledger.posting.execution import Parameters, current_execution


def fetch_rows(statement: str, parameters: Parameters = (), *, using: str = DEFAULT_DB_ALIAS) -> list[Any]:
    """The rows of one prepared statement, as named tuples.

    Django's own cursor prepares nothing (it binds on the client); psycopg's on the same connection does, at less than half the time.
    Raises Django's database errors.
    """
    return current_execution().run(statement, parameters, using=using)
