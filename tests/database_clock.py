"""The database's clock in tests that travel in time.

SQL functions take the time from the database, under their locks. While a test travels with time_machine, the functions named here answer
with the travelled time instead of the real one: it stands still with `tick=False`, and goes on from there otherwise. Without a journey the
database is as it was migrated.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import connection

# Functions of no argument that return the present moment; those that a database doesn't have are passed over.
CLOCKS = ("credits_now",)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REPLACEMENT = """
CREATE OR REPLACE FUNCTION {name}() RETURNS timestamp with time zone LANGUAGE sql
AS $$ SELECT {now} $$
"""


class DatabaseClock:
    """Sets the clocks of one database."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._connection = psycopg.connect(**parameters, autocommit=True)
        self._originals = {name: found[0] for name in CLOCKS if (found := self._definition(name)) is not None}

    def _definition(self, name: str) -> Any:
        return self._connection.execute("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = %s", [name]).fetchone()

    def follow(self) -> None:
        """Move to where time_machine is, or back to the present.

        A session in a transaction learns of what others commit only when it takes a new lock; where the test itself is in one, the clock
        is set in it, and goes back with it.
        """
        travellers = time_machine.traveller_stack
        session = connection.connection if connection.in_atomic_block else self._connection
        for name, original in self._originals.items():
            session.execute(REPLACEMENT.format(name=name, now=_expression(travellers[-1])) if travellers else original)

    def close(self) -> None:
        self._connection.close()


def _expression(traveller: Any) -> str:
    there = EPOCH + timedelta(microseconds=traveller.time_ns() // 1000)
    if not traveller._tick:
        return f"timestamptz '{there.isoformat()}'"
    here = EPOCH + timedelta(microseconds=time_machine.escape_hatch.time.time_ns() // 1000)
    return f"clock_timestamp() + (timestamptz '{there.isoformat()}' - timestamptz '{here.isoformat()}')"


def follow_time_machine(clock: DatabaseClock, patch: pytest.MonkeyPatch) -> None:
    """After each move of time_machine the database's clock follows."""
    for owner, name in (
        (time_machine.travel, "start"),
        (time_machine.travel, "stop"),
        (time_machine.Traveller, "move_to"),
        (time_machine.Traveller, "shift"),
    ):
        patch.setattr(owner, name, _then(getattr(owner, name), clock.follow))


def _then(move: Callable[..., Any], follow: Callable[[], None]) -> Callable[..., Any]:
    def moved(*args: Any, **kwargs: Any) -> Any:
        result = move(*args, **kwargs)
        follow()
        return result

    return moved
