"""The database's refusals become the ledger's errors; a fault stays a fault."""

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, ProgrammingError, connection, transaction
from structlog.testing import capture_logs

from kernel.ledger import queries
from kernel.ledger.database_errors import certainly_posted_nothing, register_error, registered_constraints, translate_db_errors
from kernel.ledger.errors import Busy, Insufficient, LedgerUnavailable, OutcomeUnknown

pytestmark = pytest.mark.django_db


@translate_db_errors
def run_sql(statement):
    with transaction.atomic():
        return queries.fetch_rows(statement)


def raising(state, *, constraint="", message="planted"):
    return f"""DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', CONSTRAINT = '{constraint}', MESSAGE = '{message}'; END $$"""


@translate_db_errors
def raise_in_the_database(state, **said):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(raising(state, **said))


def test_a_registered_constraint_raises_its_error():
    register_error("test_planted_check", Insufficient, balance="0")
    with pytest.raises(Insufficient) as refused:
        raise_in_the_database("23514", constraint="test_planted_check")
    assert refused.value.facts == {"balance": "0"}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("23505", 'duplicate key value violates unique constraint "test_planted_key_102009"'),
        ("23514", 'new row for relation "billing_wallet_102009" violates check constraint "test_planted_key"'),
    ],
)
def test_a_constraint_that_only_the_text_names_as_on_citus_raises_its_error(state, message):
    register_error("test_planted_key", Insufficient, balance="0")
    with pytest.raises(Insufficient):
        raise_in_the_database(state, message=message)


def test_no_constraint_ends_like_a_shard_of_citus():
    assert not [name for name in registered_constraints() if name.rpartition("_")[2].isdigit()]


def test_an_unregistered_constraint_stays_a_fault():
    with pytest.raises(IntegrityError):
        raise_in_the_database("23514", constraint="nobody_knows_me")


@pytest.mark.parametrize("state", ["55P03", "40P01", "40001", "53300"])
def test_an_error_that_may_be_repeated_at_once_raises_busy(state):
    with pytest.raises(Busy):
        raise_in_the_database(state)


@pytest.mark.parametrize("state", ["25006", "42501", "53100", "53200", "57014"])
def test_an_error_that_a_repeat_does_not_cure_is_unavailable_and_logged_with_its_reason(state):
    with capture_logs() as logs, pytest.raises(LedgerUnavailable) as refused:
        raise_in_the_database(state)
    assert (refused.value.reason, refused.value.facts) == ("planted", {})
    assert certainly_posted_nothing(refused.value.__cause__)
    [line] = logs
    assert line == {
        "event": "database_error",
        "log_level": "error",
        "error": "unavailable",
        "sqlstate": state,
        "reason": "planted",
        "service": "tests.kernel.test_database_errors.raise_in_the_database",
    }


@pytest.mark.parametrize(
    ("setting", "statement", "reason"),
    [
        ("SET LOCAL transaction_read_only = on", "CREATE TABLE t ()", "cannot execute CREATE TABLE in a read-only transaction"),
        ("SET LOCAL statement_timeout = 20", "SELECT pg_sleep(5)", "canceling statement due to statement timeout"),
        ("SELECT 1", "SELECT 1 FROM pg_authid", "permission denied for table pg_authid"),
    ],
)
def test_a_database_that_refuses_writes_says_why(setting, statement, reason):
    @translate_db_errors
    def write():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(setting)
            cursor.execute(statement)

    with pytest.raises(LedgerUnavailable) as refused:
        write()
    assert refused.value.reason == reason


def test_the_log_says_why_a_call_was_busy_or_its_outcome_unknown():
    @translate_db_errors
    def lose():
        raise OperationalError("the connection is lost\nwith details") from psycopg.OperationalError()

    with capture_logs() as logs, pytest.raises(OutcomeUnknown):
        lose()
    with pytest.raises(Busy):
        raise_in_the_database("55P03")
    assert [(line["error"], line["sqlstate"], line["reason"], line["log_level"]) for line in logs] == [
        ("outcome_unknown", None, "the connection is lost", "warning")
    ]


def test_a_callers_own_mistake_is_no_line_of_the_log():
    register_error("test_planted_check", Insufficient, balance="0")
    with capture_logs() as logs, pytest.raises(Insufficient):
        raise_in_the_database("23514", constraint="test_planted_check")
    assert logs == []


def test_a_lost_database_raises_outcome_unknown():
    @translate_db_errors
    def lose():
        raise OperationalError from psycopg.OperationalError("the connection is lost")

    with pytest.raises(OutcomeUnknown):
        lose()


def test_a_wrong_statement_stays_a_fault():
    with pytest.raises(ProgrammingError):
        run_sql("SELECT nothing_of_this_name")


def test_a_statement_runs_prepared_and_counts_as_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        rows = queries.fetch_rows("SELECT %s::int AS number, 'x' AS letter", [7])
    assert [(row.number, row.letter) for row in rows] == [(7, "x")]
