"""The credits ledger in the back office: lists, pages, search, and the number of queries."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import services
from credits.models import CreditTransaction, Grant

TABLES = ("grant", "credittransaction", "consumption", "hold", "holdline", "holdentry", "recurringgrant")


@pytest.fixture
def office(client, django_user_model):
    client.force_login(django_user_model.objects.create_superuser("boss", password="boss-password-1"))
    return client


def fill(book, count):
    """Creates at least `count` rows in every table."""
    acme = {**book.context, "customer_id": "acme", "currency": "USD"}
    for number in range(count):
        book.grant(100)
        services.consume(**acme, amount=Decimal(10), invoice_id=f"i{number}")
        services.place_hold(**acme, amount=Decimal(1), expires_at=datetime.now(UTC) + timedelta(hours=1))
        services.create_recurring_grant(**acme, name="n", unit_type="CURRENCY", amount=Decimal(1))


@pytest.mark.parametrize("table", TABLES)
def test_a_list_needs_as_many_queries_with_one_row_as_with_many(office, book, table):
    counts = []
    for count in (1, 8):
        fill(book, count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert office.get(f"/admin/credits/{table}/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("table", TABLES)
def test_a_row_can_be_read_but_not_changed_added_or_deleted(office, book, table):
    fill(book, 1)
    row = apps.get_model("credits", table).objects.first()
    assert office.get(f"/admin/credits/{table}/{row.pk}/change/").status_code == 200
    assert office.post(f"/admin/credits/{table}/{row.pk}/change/", {}).status_code == 403
    assert office.get(f"/admin/credits/{table}/add/").status_code == 403
    assert office.post(f"/admin/credits/{table}/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_list_of_entries_says_when_they_happened_for_which_invoice_and_with_which_sign(office, book):
    fill(book, 1)
    page = office.get("/admin/credits/credittransaction/").content.decode()
    assert all(f'data-label="{label}"' in page for label in ("Happened", "Invoice"))
    signs = {row.type: "ch-up" if row.type == "CREDIT" else "ch-down" for row in CreditTransaction.objects.all()}
    assert set(signs.values()) == {"ch-up", "ch-down"}
    assert all(f'class="money {sign}"' in page for sign in signs.values())


def test_transactions_are_found_by_invoice_customer_and_grant(office, book):
    fill(book, 2)
    grant = Grant.objects.order_by("created_at").first()
    rows = list(CreditTransaction.objects.all())
    terms = {
        "i1": [row for row in rows if row.invoice_id == "i1"],
        "acme": rows,
        str(grant.id): [row for row in rows if row.grant_id == grant.id],
        "i9": [],
    }
    for term, expected in terms.items():
        page = office.get("/admin/credits/credittransaction/", {"q": term}).content.decode()
        assert {str(row.id) for row in rows if f"/{row.id}/change/" in page} == {str(row.id) for row in expected}, term


def test_lists_align_what_has_no_amount_and_keep_a_day_in_one_line(office, book):
    acme = {**book.context, "customer_id": "acme", "currency": "USD"}
    services.create_recurring_grant(**acme, name="n", unit_type="CURRENCY", amount=Decimal(1))
    html = office.get("/admin/credits/recurringgrant/").content.decode()
    assert '<td data-label="At most carried over"><span class="money">–</span></td>' in html
    assert '<td data-label="Next grant"><span class="ch-day">' in html
