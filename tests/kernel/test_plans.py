"""A connection plans anew as the tables grow, and seldom."""

from unittest.mock import Mock

from kernel.ledger.plans import forget_outgrown_plans


def test_plans_are_forgotten_at_growing_distances():
    connection = Mock()
    forgotten = []
    for posted in range(1, 1001):
        connection.reset_mock()
        forget_outgrown_plans(connection, postings=1)
        if connection.execute.called:
            assert connection.execute.call_args.args == ("DISCARD PLANS",)
            forgotten.append(posted)
    assert forgotten == [10, 80, 640]


def test_a_large_array_counts_as_what_it_holds():
    connection = Mock()
    forget_outgrown_plans(connection, postings=1000)
    forget_outgrown_plans(connection, postings=1000)
    assert connection.execute.call_count == 1
    forget_outgrown_plans(connection, postings=5000)
    assert connection.execute.call_count == 2
