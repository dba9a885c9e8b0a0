"""Balance alerts are locked after grants by whatever posts, so no two calls wait for each other in a circle."""

import random
import threading
from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.db import connection

from credits import selectors, services
from credits.models import BalanceAlert
from credits.services import recurring_grants
from kernel.events.models import Event
from tests.credits.book import Book
from tests.factories import TenantFactory
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def book(listen, tenant):
    listen("credits.balance.*")
    return Book(tenant.id)


@pytest.fixture
def tenant():
    return TenantFactory()


@pytest.fixture
def listen(tenant):
    from tests.kernel.events.conftest import listen as fixture

    return fixture.__wrapped__(tenant)


def deadlocks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def watch(book, customer, below):
    services.set_balance_alert(
        tenant_id=book.tenant_id, actor="test", request_id="", customer_id=customer, currency="USD", alert_below=Decimal(below)
    )


def test_atomic_batches_over_customers_with_alerts_never_deadlock(book):
    grants = [book.grant(200, customer_id=customer) for customer in ("a", "b", "c") for _ in range(2)]
    for customer in ("a", "b", "c"):
        watch(book, customer, 390)
    before = deadlocks()

    def post(number):
        chosen = random.Random(number)
        for round in range(8):
            items = [
                {"grant_id": chosen.choice(grants), "type": chosen.choice(("DEBIT", "CREDIT")), "amount": Decimal(chosen.randint(1, 9))}
                for _ in range(chosen.choice((1, 3, 9)))
            ]
            services.record_transactions(**book.context, transactions=items, atomic=bool(round % 2))
            services.consume(**book.context, customer_id=chosen.choice("abc"), currency="USD", amount=Decimal(chosen.randint(1, 9)))

    assert at_once(6, post) == [None] * 6
    assert deadlocks() == before
    book.check()
    for alert in BalanceAlert.objects.all():
        sent = Event.objects.filter(tenant_id=book.tenant_id, object_id=alert.customer_id).order_by("sequence", "id")
        kinds = [event.type.rpartition(".")[2] for event in sent]
        # One event for each crossing, by turns.
        assert kinds == [("low", "recovered")[place % 2] for place in range(len(kinds))]
        assert alert.is_low == (len(kinds) % 2 == 1)


def test_a_period_that_is_issued_and_a_debit_of_the_one_before_do_not_wait_for_each_other(book, monkeypatch):
    facts = {"customer_id": "a", "name": "Monthly", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(50)}
    facts |= {"cost_of_credit": Decimal(0), "every_months": 1, "rollover_cap": Decimal(10), "starts_on": date(2026, 1, 1)}
    with time_machine.travel("2026-01-10T00:00:00Z", tick=False):
        recurring_grant = services.create_recurring_grant(**book.context, **facts).row.id
    watch(book, "a", 45)
    issued, goes_on = threading.Event(), threading.Event()
    create_grants = recurring_grants.create_grants

    def opened(*arguments, **named):
        rows = create_grants(*arguments, **named)
        issued.set()
        goes_on.wait(10)
        return rows

    monkeypatch.setattr(recurring_grants, "create_grants", opened)
    before = deadlocks()
    [first] = selectors.list_grants(tenant_id=book.tenant_id).values_list("id", flat=True)

    def call(number):
        if number == 0:
            return services.issue_recurring_grant(**book.context, recurring_grant_id=recurring_grant)
        issued.wait(10)
        threading.Timer(0.5, goes_on.set).start()
        return book.debit(first, 1)

    with time_machine.travel("2026-02-10T00:00:00Z", tick=True):
        at_once(2, call)
    assert issued.is_set()
    assert deadlocks() == before
