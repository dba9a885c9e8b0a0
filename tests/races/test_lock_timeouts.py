"""Each ledger's posting function waits for locks no longer than its call says."""

from decimal import Decimal

import pytest
from django.db import connection

import billing.services
import metering.services.transactions
from kernel.ledger import posting
from kernel.ledger.posting import statements
from tests.credits.book import Book
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db


def post_to_billing(context):
    billing.services.record_transaction(**context, amount=Decimal(1), type="topup", reference_id="a")


def post_to_metering(context):
    metering.services.transactions.record_transaction(
        **context, service_name="s", agent_name="a", action_name="go", resource_name="r", costs=[]
    )


def post_to_credits(context):
    book = Book(context["tenant_id"])
    book.debit(book.grant(10), 1)


@pytest.mark.parametrize("post", [post_to_billing, post_to_metering, post_to_credits])
def test_a_posting_function_takes_the_lock_timeout_of_its_call(monkeypatch, post):
    def as_in_a_batch(function, item, *, tenant_id, serialization_key, retryable_constraints=frozenset(), using="default"):
        return statements.call_function(statements.PostingFunction(function, retryable_constraints, using), [(tenant_id, item)], 250)[0]

    monkeypatch.setattr(posting, "post_one", as_in_a_batch)
    post({"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "test"})
    with connection.cursor() as cursor:
        # Until the transaction ends, which here is the test's.
        cursor.execute("SELECT current_setting('lock_timeout')")
        assert cursor.fetchone() == ("250ms",)
