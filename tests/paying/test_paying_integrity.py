"""Every check of payments finds the corruption that it is for, made as the owner of the tables."""

import pytest
from django.db import connection

from backoffice.integrity.checks import checks_of
from tests.paying.book import PayingBook, cost

pytestmark = pytest.mark.django_db
CORRUPTIONS = {
    "paying_legs_sum": ("paying_payment", "UPDATE paying_payment SET amount = amount + 1 WHERE status = 'captured'"),
    "paying_hold_without_payment": (
        "paying_paymentleg",
        "UPDATE paying_paymentleg SET hold_id = gen_random_uuid() WHERE hold_id IS NOT NULL",
    ),
    "paying_holds": ("paying_payment", "UPDATE paying_payment SET status = 'released', closed_at = now() WHERE status = 'authorized'"),
    "paying_debit_without_payment": ("paying_paymentleg", "UPDATE paying_paymentleg SET ordinal = ordinal + 7 WHERE entry_id IS NOT NULL"),
    "paying_debits": (
        "credits_transaction",
        "UPDATE credits_transaction SET invoice_id = 'other' WHERE invoice_id <> ''",
    ),
    "paying_costs_captured": ("metering_cost", "UPDATE metering_cost SET fiat_amount = fiat_amount + 1 WHERE is_active"),
}


@pytest.fixture
def book():
    """A payment that was captured, one beyond its hold, and one that is open."""
    book = PayingBook(credit=6, wallet=20)
    book.complete(book.record(cost(7)))
    row = book.record(cost(1))
    book.add_cost(row, 2)
    book.complete(row)
    book.record(cost(2))
    book.is_sound()
    return book


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_found(book, name):
    table, statement = CORRUPTIONS[name]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement)
        assert cursor.rowcount >= 1
    found = {check: list(search(book.tenant_id, 5)) for check, _, search in checks_of("metering")}
    assert found[name]
