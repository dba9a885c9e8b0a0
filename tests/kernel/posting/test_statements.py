"""A call that lost a race without leaving anything is made again, and only such a call."""

from uuid import UUID

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from kernel.ledger import posting
from kernel.ledger.errors import Busy
from kernel.ledger.posting import execution, statements

pytestmark = pytest.mark.django_db


def failing(monkeypatch, cause, *, times):
    """A database that refuses so often, and then answers."""
    calls = []

    def run(connected, statement, parameters, *, using):
        calls.append(statement)
        if len(calls) <= times:
            raise OperationalError from cause
        return ["answer"]

    monkeypatch.setattr(execution, "_run", run)
    return calls


def test_a_call_that_ended_in_a_deadlock_is_repeated(monkeypatch):
    calls = failing(monkeypatch, psycopg.errors.DeadlockDetected(), times=2)
    assert posting.post("any_post", [{}], tenant_id=UUID(int=1)) == ["answer"]
    assert len(calls) == 3


def test_a_call_whose_key_another_took_on_a_node_of_citus_is_repeated(monkeypatch):
    said = 'duplicate key value violates unique constraint "any_key_102009"'
    with pytest.raises(IntegrityError) as taken, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE unique_violation USING MESSAGE = '{said}'; END $$")
    calls = failing(monkeypatch, taken.value.__cause__, times=1)
    assert posting.post("any_post", [{}], tenant_id=UUID(int=1), retryable_constraints=frozenset({"any_key"})) == ["answer"]
    assert len(calls) == 2


def test_after_some_deadlocks_the_ledger_is_busy(monkeypatch):
    calls = failing(monkeypatch, psycopg.errors.DeadlockDetected(), times=100)
    with pytest.raises(Busy):
        posting.post("any_post", [{}], tenant_id=UUID(int=1))
    assert len(calls) == statements.MAX_CALLS_AFTER_LOST_RACES


@pytest.mark.parametrize("cause", [psycopg.OperationalError(), psycopg.errors.LockNotAvailable(), None])
def test_a_call_that_may_have_posted_or_waited_long_is_not_repeated(monkeypatch, cause):
    calls = failing(monkeypatch, cause, times=1)
    with pytest.raises(OperationalError):
        posting.post("any_post", [{}], tenant_id=UUID(int=1))
    assert len(calls) == 1
