"""The pages of payments, the job that closes overdue ones, and what is said of them in events."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection

from kernel.events.models import Event
from kernel.events.services.endpoints import create_endpoint
from metering.paying import jobs, services
from metering.paying.models import Payment
from tests.backoffice.test_settings import change
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.paying.book import PayingBook, cost

pytestmark = pytest.mark.django_db


def test_a_payment_is_released_on_its_page_with_a_reason(office):
    book = PayingBook(credit=6)
    payment = book.payment(book.record(cost(4)))
    page = f"/admin/paying/payment/{payment.pk}/change/"
    assert "release-payment" in office.get(page).content.decode()
    change(office, f"paying/payment/{payment.pk}/release-payment", reason="customer left")
    payment.refresh_from_db()
    assert (payment.status, payment.reason) == ("released", "customer left")
    assert "release-payment" not in office.get(page).content.decode()
    book.is_sound()


def test_a_payments_page_is_a_timeline_of_all_three_ledgers(office):
    book = PayingBook(credit=6, wallet=20)
    row = book.record(cost(10))
    payment = book.payment(row)
    its = {**book.who, "transaction_id": row["id"], "payment_id": payment.pk}
    services.capture_payment(**its, amount=Decimal(7), final=False, idempotency_key="a")
    services.extend_payment(**its, expires_at=payment.hold_expires_at + timedelta(hours=1), idempotency_key="b")
    book.complete(row)
    panels = {panel.title: panel for panel in office.get(f"/admin/paying/payment/{payment.pk}/change/").context["panels"]}
    steps = [(where, what.partition(" until")[0]) for _, where, what, _, _ in panels["Timeline"].rows]
    held, later = steps[:3], steps[3:]
    assert sorted(held) == [("Credits", "Held"), ("Metering", "Estimated cost"), ("Wallet", "Held")]
    assert later[:2] == [("Payment", "Captured"), ("Payment", "Extended")]
    assert sorted(later[2:]) == [("Metering", "Cost"), ("Payment", "Over: captured")]


def test_the_dashboard_shows_what_is_unpaid_and_what_is_held_for_long(office):
    book = PayingBook(credit=6)
    row = book.record(cost(4))
    book.record(cost(1))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE paying_payment DISABLE TRIGGER USER")
        cursor.execute("UPDATE paying_payment SET created_at = created_at - interval '61 minutes'")
    book.add_cost(row, 9)
    book.complete(row)
    alerts = {alert.title: alert for alert in office.get("/admin/").context["alerts"]}
    for title in ("Calls with something unpaid", "Payments that hold money for long"):
        assert alerts[title].count == 1
        assert office.get(alerts[title].url).context["cl"].result_count == 1


def test_the_job_and_the_command_close_overdue_payments():
    book = PayingBook(credit=6)
    rows = [book.record(cost(1)) for _ in range(2)]
    book.move_clock(book.payment(rows[0]))
    assert (jobs.expire_payments(0), jobs.expire_payments(0)) == (1, 0)
    book.move_clock(book.payment(rows[1]))
    call_command("expire_payments", tenant=book.tenant.slug)
    assert set(Payment.objects.values_list("status", flat=True)) == {"expired"}
    assert book.money()[1] == 0


def test_what_becomes_of_a_payment_is_an_event_with_the_payment_as_it_was():
    book = PayingBook(credit=6)
    create_endpoint(**book.who, enabled_events=["payment.*"])
    row = book.record(cost(4))
    book.add_cost(row, 9)
    book.complete(row)
    events = list(Event.objects.order_by("id").values_list("type", "snapshot"))
    assert [type for type, _ in events] == ["payment.authorized", "payment.captured", "payment.unpaid"]
    held, taken = (json.loads(snapshot) if isinstance(snapshot, str) else snapshot for _, snapshot in events[:2])
    assert (held["status"], held["captured"], taken["captured"], taken["unpaid"]) == ("authorized", 0, 4, 9)


def test_another_tenants_payments_are_not_found():
    book = PayingBook(credit=6)
    row = book.record(cost(4))
    path = f"/v1/transactions/{row['id']}/payments"
    assert Caller(IssuedKeyFactory()).get(path).status_code == 404
    assert len(Caller(IssuedKeyFactory(tenant=book.tenant)).get(path).json()["payments"]) == 1
