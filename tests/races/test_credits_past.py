"""Answers about a past moment wait for postings that are booked before it and not yet visible, so they never change afterwards."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import transaction

from credits import selectors
from credits.models import CreditTransaction
from tests.credits.book import Book
from tests.factories import TenantFactory
from tests.interleaving.harness import Sessions

pytestmark = pytest.mark.django_db(transaction=True)

READS = {
    "grant": lambda book, grant, at: selectors.grant_balance_at(**book, grant_id=grant, at=at)["balance"],
    "grant, world": lambda book, grant, at: selectors.grant_balance_at(**book, grant_id=grant, at=at, clock="world")["balance"],
    "customer": lambda book, grant, at: selectors.customer_balance_at(**book, customer_id="acme", at=at)[0]["balance"],
    "account": lambda book, grant, at: selectors.tenant_balance_at(**book, at=at)[0]["balance"],
    "explain a grant": lambda book, grant, at: selectors.explain_grant(**book, grant_id=grant, at=at)["sums"][0]["balance"],
    "explain a customer": lambda book, grant, at: selectors.explain_customer(**book, customer_id="acme", at=at)["sums"][0]["balance"],
    "list": lambda book, grant, at: Decimal(100) - 10 * (selectors.list_transactions(**book, grant_id=grant, until=at).count() - 1),
}


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    opened = Sessions()
    yield opened
    opened.close()


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_an_answer_about_the_past_waits_for_a_posting_in_flight(sessions, read):
    book = Book(TenantFactory().id)
    grant_id = book.grant(100)
    is_posted, may_commit = threading.Event(), threading.Event()

    def post() -> None:
        with transaction.atomic():
            book.debit(grant_id, 10)
            is_posted.set()
            assert may_commit.wait(10)

    posting = sessions.begin(0, post)
    assert is_posted.wait(10)
    at = datetime.now(UTC)
    answer = sessions.begin(1, lambda: read({"tenant_id": book.tenant_id}, grant_id, at))
    with pytest.raises(TimeoutError):
        answer.result(timeout=0.2)
    may_commit.set()
    posting.result()
    assert CreditTransaction.objects.get(kind="debit").created_at <= at
    assert answer.result() == read({"tenant_id": book.tenant_id}, grant_id, at) == 90
