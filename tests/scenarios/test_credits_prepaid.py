"""Worked examples of prepaid credit, with their numbers."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.core.management import call_command

from credits import selectors, services
from tests.credits.book import Book
from tests.factories import TenantFactory

ACME = {"customer_id": "acme", "currency": "USD"}


@pytest.fixture
def book(db):
    return Book(TenantFactory().id)


def list_rows(book, grant_id):
    rows = selectors.list_transactions(tenant_id=book.tenant_id, grant_id=grant_id).order_by("entry_number")
    return [
        (row["type"], row["amount"], row["balance_after"], row["cost_basis"], row["kind"], row["occurred_at"].date().isoformat())
        for row in rows
    ]


def test_a_customer_pays_80_for_100_uses_30_and_the_invoice_is_voided_after_the_last_day(book):
    with time_machine.travel(datetime(2026, 1, 1, 9, tzinfo=UTC), tick=False) as clock:
        grant_id = book.grant(100, cost_of_credit=Decimal(80), expiry_date=date(2026, 1, 31))
        clock.move_to(datetime(2026, 1, 20, tzinfo=UTC))
        services.consume(**book.context, **ACME, amount=Decimal(30), invoice_id="i")
        clock.move_to(datetime(2026, 2, 3, tzinfo=UTC))
        call_command("expire_credits", verbosity=0)
        clock.move_to(datetime(2026, 2, 10, tzinfo=UTC))
        services.reinstate(**book.context, customer_id="acme", invoice_id="i", reason="invoice voided")
    assert list_rows(book, grant_id) == [
        ("CREDIT", 100, 100, 80, "opening", "2026-01-01"),
        ("DEBIT", 30, 70, 24, "consumption", "2026-01-20"),
        ("DEBIT", 70, 0, 56, "expiry", "2026-02-01"),
        ("CREDIT", 30, 30, 24, "reinstatement", "2026-02-10"),
        ("DEBIT", 30, 0, 24, "expiry", "2026-02-10"),
    ]
    book.check()


def test_thirds_of_a_cost_add_up_to_the_cost_to_the_last_digit(book):
    grant_id = book.grant(3, cost_of_credit=Decimal(10))
    for _ in range(3):
        book.debit(grant_id, 1)
    costs = [row[3] for row in list_rows(book, grant_id)][1:]
    assert costs == [Decimal("3.333333333333333333"), Decimal("3.333333333333333334"), Decimal("3.333333333333333333")]
    assert sum(costs) == 10


def test_goodwill_beyond_what_was_paid_costs_nothing_and_goes_first(book):
    grant_id = book.grant(10, cost_of_credit=Decimal(10))
    book.credit(grant_id, 5, reason="sorry")
    book.debit(grant_id, 7)
    assert [row[3] for row in list_rows(book, grant_id)] == [10, 0, 2]


def test_a_month_of_usage_burns_the_allowance_then_the_gift_then_the_money(book):
    day = {"effective_date": date(2026, 1, 1)}
    money = book.grant(50, **day)
    gift = book.grant(20, category="promotional", **day)
    allowance = book.grant(30, unit_type="METRIC", metric_id="calls", expiry_date=date(2099, 1, 31), **day)
    drawn = services.consume(
        **book.context, customer_id="acme", currency="USD", metric_id="calls", amount=Decimal(75), invoice_id="january"
    )
    assert [(row["grant_id"], row["amount"]) for row in drawn.row.transactions] == [(allowance, 30), (gift, 20), (money, 25)]
    assert book.balance(money) == 25
    book.check()
