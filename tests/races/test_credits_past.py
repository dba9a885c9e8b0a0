"""Answers about a past moment wait for postings that are booked before it and not yet visible, so they never change afterwards."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from django.db import transaction

from credits.models import CreditTransaction
from tests.credits.book import Book
from tests.credits.conftest import Api
from tests.factories import TenantFactory
from tests.interleaving.harness import Sessions

pytestmark = pytest.mark.django_db(transaction=True)

# Path, end of the query string, and where the reply has the balance.
READS = {
    "grant": ("/credits/GRANT", "at", lambda body: body["currentBalance"]),
    "grant by world time": ("/credits/GRANT", "clock=world&at", lambda body: body["currentBalance"]),
    "customer": ("/credits/acme/balances", "at", lambda body: body["items"][0]["balance"]),
    "account": ("/credits/balances", "at", lambda body: body["items"][0]["balance"]),
    "explain a grant": ("/credits/GRANT/explain", "at", lambda body: body["sums"][0]["balance"]),
    "explain a customer": ("/credits/acme/explain", "at", lambda body: body["sums"][0]["balance"]),
    "list": ("/credit-transactions", "to", lambda body: body["items"][0]["balanceAfter"]),
}


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    opened = Sessions()
    yield opened
    opened.close()


@pytest.mark.parametrize(("path", "name", "balance"), READS.values(), ids=READS)
def test_an_answer_about_the_past_waits_for_a_posting_in_flight(sessions, path, name, balance):
    tenant = TenantFactory()
    api, book = Api(tenant), Book(tenant.id)
    grant_id = book.grant(100)
    is_posted, may_commit = threading.Event(), threading.Event()

    def post() -> None:
        with transaction.atomic():
            book.debit(grant_id, 10)
            is_posted.set()
            assert may_commit.wait(10)

    def read() -> tuple[str, datetime]:
        reply = api.get(f"{path.replace('GRANT', str(grant_id))}?{name}={quote(at.isoformat())}")
        assert reply.status_code == 200
        return balance(reply.json()), datetime.fromisoformat(reply["Final-Until"])

    posting = sessions.begin(0, post)
    assert is_posted.wait(10)
    at = datetime.now(UTC)
    answer = sessions.begin(1, read)
    with pytest.raises(TimeoutError):
        answer.result(timeout=0.2)
    may_commit.set()
    posting.result()
    assert CreditTransaction.objects.get(kind="debit").created_at <= at
    first, final_until = answer.result()
    assert first == read()[0] == "90"
    # By world time everything that was booked until the call counts, whenever it happened.
    assert final_until > at if "world" in name else final_until == at


def test_a_read_of_the_present_says_no_final_moment():
    api = Api(TenantFactory())
    grant_id = Book(api.tenant.id).grant(100)
    paths = (f"/credits/{grant_id}", "/credits/acme/balances", "/credits/balances", "/credits/acme/explain", "/credit-transactions")
    assert [path for path in paths if "Final-Until" in api.get(path)] == []
