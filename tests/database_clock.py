"""The database's clock in tests that travel in time.

SQL functions take the time from the database, under their locks. In a test's database the function named here answers with the real time
until a test travels with time_machine, and then with the travelled time. With `tick=False` it stands still but for a microsecond each
time that it is asked; otherwise it goes on from there. The journey is in sequences, because what is written to one is seen by all sessions
at once, in transactions too.
"""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import connection

from kernel.ledger.database_functions.sql_files import current_files

APPLICATION_NAME = "test clock"
# The function of no argument that returns the present moment.
CLOCK = "ledger_now"
# Microseconds since 1970, where the time stands still, and microseconds from now, where it goes on.
CREATE_JOURNEY = """
DROP SCHEMA IF EXISTS test_clock CASCADE;
CREATE SCHEMA test_clock;
CREATE SEQUENCE test_clock.stands_at MINVALUE -9000000000000000000 START 0;
CREATE SEQUENCE test_clock.times_asked MINVALUE 0;
CREATE SEQUENCE test_clock.is_ahead_by MINVALUE -9000000000000000000 START 0;
GRANT USAGE ON SCHEMA test_clock TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA test_clock TO PUBLIC;
"""
REPLACEMENT = f"""
CREATE OR REPLACE FUNCTION {CLOCK}() RETURNS timestamp with time zone LANGUAGE plpgsql
AS $$
DECLARE
    stands_at CONSTANT bigint := (SELECT last_value FROM test_clock.stands_at);
BEGIN
    IF stands_at <> 0 THEN
        RETURN timestamptz '1970-01-01 00:00:00Z' + make_interval(days => (stands_at / 86400000000)::int)
            + (stands_at % 86400000000 + nextval('test_clock.times_asked')) * interval '1 microsecond';
    END IF;
    RETURN clock_timestamp() + (SELECT last_value FROM test_clock.is_ahead_by) * interval '1 microsecond';
END
$$
"""


class DatabaseClock:
    """Moves the clocks of one database."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = {**parameters, "application_name": APPLICATION_NAME, "autocommit": True}
        self._connection = psycopg.connect(**self._parameters)
        self._connection.execute(CREATE_JOURNEY)
        self._connection.execute(REPLACEMENT)

    def follow(self) -> None:
        """Move to where time_machine is, or back to the present."""
        stands_at = is_ahead_by = 0
        if time_machine.traveller_stack:
            traveller = time_machine.traveller_stack[-1]
            there = traveller.time_ns() // 1000
            if traveller._tick:
                is_ahead_by = there - time_machine.escape_hatch.time.time_ns() // 1000
            else:
                stands_at = there
        try:
            self._move(stands_at, is_ahead_by)
        except psycopg.OperationalError:
            # A test before this one ended every session of the database.
            self._connection = psycopg.connect(**self._parameters)
            self._move(stands_at, is_ahead_by)

    def _move(self, stands_at: int, is_ahead_by: int) -> None:
        self._connection.execute(
            "SELECT setval('test_clock.stands_at', %s), setval('test_clock.is_ahead_by', %s), setval('test_clock.times_asked', 0, false)",
            [stands_at, is_ahead_by],
        )

    def close(self) -> None:
        self._connection.close()


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


def restore_clock() -> None:
    """The clock that tests travel with stands in for a function of ours; within this test's transaction it gives way."""
    [file] = [file for file in current_files("ledger") if file.name == CLOCK]
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL search_path = public; {file.text}")
