"""The database's refusals become the ledger's errors; a fault stays a fault."""

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, ProgrammingError, connection, transaction

from kernel.ledger import posting
from kernel.ledger.constraints import register_error, translate_db_errors
from kernel.ledger.errors import Busy, Insufficient, OutcomeUnknown

pytestmark = pytest.mark.django_db


@translate_db_errors
def run_sql(statement):
    with transaction.atomic():
        return posting.run(statement)


def raising(state, *, constraint=""):
    return f"""DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', CONSTRAINT = '{constraint}', MESSAGE = 'planted'; END $$"""


@translate_db_errors
def raise_in_the_database(state, *, constraint=""):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(raising(state, constraint=constraint))


def test_a_registered_constraint_is_told_as_its_error():
    register_error("test_planted_check", Insufficient, balance="0")
    with pytest.raises(Insufficient) as refused:
        raise_in_the_database("23514", constraint="test_planted_check")
    assert refused.value.facts == {"balance": "0"}


def test_a_constraint_nobody_registered_stays_a_fault():
    with pytest.raises(IntegrityError):
        raise_in_the_database("23514", constraint="nobody_knows_me")


@pytest.mark.parametrize("state", ["55P03", "40P01", "40001", "57014"])
def test_what_may_be_repeated_at_once_is_told_as_busy(state):
    with pytest.raises(Busy):
        raise_in_the_database(state)


def test_a_lost_database_is_told_as_an_unknown_outcome():
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
        rows = posting.run("SELECT %s::int AS number, 'x' AS letter", [7])
    assert [(row.number, row.letter) for row in rows] == [(7, "x")]
