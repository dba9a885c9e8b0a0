"""Which items of a batch are posted, and what becomes of the others."""

import pytest

from kernel.api.batches import post_batch
from kernel.api.problems import FieldProblem, Invalid
from kernel.ledger.errors import Insufficient
from kernel.ledger.outcomes import Posted

UNREADABLE = Invalid([FieldProblem(("amount",), "missing")])


def statuses(outcome):
    return [(item.index, item.status, item.problem and item.problem.code) for item in outcome.items]


def post(results):
    """A service that is given some items and answers with these results; it keeps what it was given."""

    def posted(items):
        posted.items = items
        return results

    posted.items = None
    return posted


def test_each_item_has_its_own_outcome_in_the_order_sent():
    service = post([Posted(1), Posted(2, replayed=True), Insufficient(balance="0")])
    outcome = post_batch([{"n": 1}, UNREADABLE, {"n": 2}, {"n": 3}], post=service, aborted="aborted")
    assert service.items == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert statuses(outcome) == [(0, "posted", None), (1, "refused", "invalid"), (2, "replayed", None), (3, "refused", "insufficient")]
    assert outcome.counts == {"posted": 1, "replayed": 1, "refused": 2}
    assert outcome.reason is None
    assert [item.row for item in outcome.items] == [1, None, 2, None]


def test_of_an_atomic_batch_with_an_unreadable_item_nothing_is_posted():
    service = post([])
    outcome = post_batch([{"n": 1}, UNREADABLE], post=service, aborted="aborted", is_atomic=True)
    assert service.items is None
    assert statuses(outcome) == [(0, "refused", "aborted"), (1, "refused", "invalid")]
    assert outcome.items[0].problem.facts == {"index": 1}
    assert outcome.reason is outcome.items[1]


def test_an_item_that_an_atomic_batch_takes_along_is_aborted_for_the_first_refused_one():
    service = post([None, Insufficient(balance="0"), None])
    outcome = post_batch([{}, {}, {}], post=service, aborted="aborted", is_atomic=True)
    assert statuses(outcome) == [(0, "refused", "aborted"), (1, "refused", "insufficient"), (2, "refused", "aborted")]
    assert outcome.reason is outcome.items[1]


def test_a_service_is_not_called_for_a_batch_without_a_readable_item():
    service = post([])
    assert post_batch([UNREADABLE], post=service, aborted="aborted").counts == {"posted": 0, "replayed": 0, "refused": 1}
    assert service.items is None


def test_an_unexpected_error_is_no_outcome_of_an_item():
    with pytest.raises(ZeroDivisionError):
        post_batch([{}], post=post([ZeroDivisionError()]), aborted="aborted")
