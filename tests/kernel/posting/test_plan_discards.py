"""A connection plans anew as the tables grow, and seldom."""

from unittest.mock import Mock

import pytest
from django.db import connection

from kernel.ledger import queries
from kernel.ledger.posting import execution, plan_discards


def test_plans_are_outgrown_at_growing_distances():
    over = Mock()
    assert [posted for posted in range(1, 1001) if plan_discards.count_and_check(over, "toy_post", postings=1)] == [10, 80, 640]


def test_a_large_array_counts_as_what_it_holds():
    over = Mock()
    assert [plan_discards.count_and_check(over, "toy_post", postings=count) for count in (1000, 1000, 5000)] == [True, False, True]


def test_each_ledger_is_counted_by_itself():
    over = Mock()
    assert plan_discards.count_and_check(over, "toy_post", postings=1000)
    assert [plan_discards.count_and_check(over, "other_post", postings=5) for _ in range(3)] == [False, True, False]
    assert not plan_discards.count_and_check(over, "toy_post", postings=1000)


@pytest.mark.django_db
@pytest.mark.parametrize("is_outgrown", [True, False])
def test_outgrown_plans_are_discarded_after_the_postings(monkeypatch, is_outgrown):
    monkeypatch.setattr(plan_discards, "count_and_check", lambda over, function, *, postings: is_outgrown)
    connection.ensure_connection()
    said = []
    monkeypatch.setattr(connection.connection, "execute", said.append)
    assert execution.IN_THREAD.call_function("SELECT 1 AS one", [], function="toy_post", postings=1, using="default")[0].one == 1
    assert said == ["DISCARD PLANS"] * is_outgrown


@pytest.mark.django_db
def test_a_statement_that_is_run_often_is_planned_anew_too(monkeypatch):
    connection.ensure_connection()
    said = []
    monkeypatch.setattr(connection.connection, "execute", said.append)
    for _ in range(80):
        queries.fetch_rows("SELECT 1 AS one, 'planned anew' AS name")
    assert said == ["DISCARD PLANS"] * 2
