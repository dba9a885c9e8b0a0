"""Tests that commit leave nothing behind, not even in tables that refuse to be emptied."""

import pytest
from django.db import DatabaseError, connection

from tests.flush import Flush

pytestmark = pytest.mark.django_db(transaction=True)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def rows(table: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
        return cursor.fetchall()


@pytest.fixture
def tables():
    execute(
        """
        CREATE TABLE try_type (code text PRIMARY KEY);
        CREATE TABLE try_entry (id int PRIMARY KEY, code text REFERENCES try_type);
        CREATE TRIGGER d BEFORE DELETE ON try_entry FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
        CREATE TRIGGER t BEFORE TRUNCATE ON try_entry FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
        INSERT INTO try_type VALUES ('laid by a migration')
        """
    )
    yield
    execute("DROP TABLE try_entry, try_type")
    Flush(connection)


def test_facts_go_seeds_stay_and_the_guard_is_up_again(tables):
    flush = Flush(connection)
    execute("INSERT INTO try_type VALUES ('of a test'); INSERT INTO try_entry VALUES (1, 'of a test'), (2, 'laid by a migration')")
    flush()
    assert rows("try_entry") == []
    assert rows("try_type") == [("laid by a migration",)]
    execute("INSERT INTO try_entry VALUES (3, 'laid by a migration')")
    with pytest.raises(DatabaseError, match="append-only"):
        execute("TRUNCATE try_entry")
    with pytest.raises(DatabaseError, match="append-only"):
        execute("DELETE FROM try_entry")
