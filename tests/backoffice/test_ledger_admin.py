"""The admin of an append-only table: fast with many rows, and read-only."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection, models
from django.test.utils import isolate_apps
from django.urls import include, path

from backoffice.site import OfficeSite
from kernel.ledger.admin import LedgerAdmin, paging
from kernel.ledger.base_models import LedgerRow
from kernel.ledger.money import MoneyField, with_thousands
from tests.factories import TenantFactory

with isolate_apps("kernel.ledger"):

    class Posting(LedgerRow):
        """A row like those of any ledger, known to these tests alone."""

        reference_id = models.CharField(max_length=100)
        amount = MoneyField()
        currency = models.CharField(max_length=3)
        digest = models.BinaryField()

        class Meta:
            app_label = "ledger"

        def __str__(self) -> str:
            return str(self.id)


class PostingAdmin(LedgerAdmin):
    list_display = ("id", "tenant", "reference_id", "amount", "created_at")
    search_fields = ("id", "reference_id")


LIST = "/admin/ledger/posting/"
ALL = f"{LIST}?window=all"


@pytest.fixture(scope="module")
def addresses():
    admin.site.register(Posting, PostingAdmin)
    # A class, because Django remembers address books by identity.
    yield type("Addresses", (), {"urlpatterns": [path("admin/", admin.site.urls), path("", include("config.urls"))]})
    admin.site.unregister(Posting)


@pytest.fixture
def office(office, settings, addresses):
    """The admin of the test's own table, in a transaction that takes the table away again."""
    settings.ROOT_URLCONF = addresses
    with connection.schema_editor() as editor:
        editor.create_model(Posting)
    return office


@pytest.fixture
def posted(office):
    return post(1)[0]


def post(count: int, *, amount: str = "-1234.5") -> list[Posting]:
    tenant = TenantFactory()
    now = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    rows = [
        Posting(
            tenant=tenant,
            occurred_at=now,
            created_at=now,
            actor="command:test",
            reference_id=f"order-{number}",
            amount=Decimal(amount),
            currency="USD",
            digest=b"\xab\xcd\xef\x01",
        )
        for number in range(count)
    ]
    return Posting._base_manager.bulk_create(rows)


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("1234.5", "USD", "1,234.50"),
        ("-1234567", "USD", "-1,234,567.00"),
        ("0.000031", "USD", "0.000031"),
        ("5", "JPY", "5"),
        ("1E+3", "EUR", "1,000.00"),
        ("0E-18", "USD", "0.00"),
        ("12345678901234567890.123456789012345678", "", "12,345,678,901,234,567,890.123456789012345678"),
        ("7", "", "7"),
    ],
)
def test_an_amount_is_shown_with_every_digit_and_at_least_its_currencys_decimals(amount, currency, shown):
    assert with_thousands(Decimal(amount), currency) == shown


def test_the_list_shows_amounts_flush_right_with_their_currency_and_times_in_utc(office, posted):
    html = office.get(ALL).content.decode()
    assert '<span class="money">-1,234.50 <span>USD</span></span>' in html
    assert '<time class="utc" datetime="2026-03-01T09:30:00+00:00" title="2026-03-01T09:30:00+00:00">2026-03-01 09:30:00 UTC</time>' in html


def test_the_heading_of_amounts_is_marked_to_stand_over_its_digits(office, posted):
    assert "column-moneyfield-amount" in office.get(ALL).content.decode()


def test_the_detail_page_shows_every_field_but_the_digest(office, posted):
    html = office.get(f"{LIST}{posted.id}/change/").content.decode()
    for shown in (str(posted.id), "order-0", "-1,234.50", "2026-03-01 09:30:00 UTC", "Command test", posted.tenant.name):
        assert shown in html
    assert "abcdef01" not in html
    assert 'name="_save"' not in html


def test_the_newest_rows_come_first(office):
    rows = post(3)
    html = office.get(ALL).content.decode()
    assert sorted(rows, key=lambda row: html.index(str(row.id))) == sorted(rows, key=lambda row: row.id, reverse=True)


@pytest.mark.parametrize(
    ("method", "page", "body"),
    [
        ("get", "add/", {}),
        ("post", "add/", {"reference_id": "x"}),
        ("post", "{id}/change/", {"reference_id": "x", "_save": "Save"}),
        ("get", "{id}/delete/", {}),
        ("post", "{id}/delete/", {"post": "yes"}),
    ],
)
def test_no_address_adds_changes_or_deletes(office, posted, method, page, body):
    response = getattr(office, method)(LIST + page.format(id=posted.id), body)
    assert response.status_code == 403
    assert [row.reference_id for row in Posting._base_manager.all()] == ["order-0"]


def test_no_action_deletes_and_no_list_edits(office, posted):
    office.post(LIST, {"action": "delete_selected", "_selected_action": [str(posted.id)], "post": "yes"})
    office.post(LIST, {"form-TOTAL_FORMS": "1", "form-0-id": str(posted.id), "form-0-reference_id": "x", "_save": "Save"})
    assert [row.reference_id for row in Posting._base_manager.all()] == ["order-0"]


def test_saving_and_deleting_are_refused_by_the_hooks_too(rf, posted):
    page = PostingAdmin(Posting, OfficeSite())
    for write in (
        lambda: page.save_model(rf.get("/"), posted, None, True),
        lambda: page.delete_model(rf.get("/"), posted),
        lambda: page.delete_queryset(rf.get("/"), Posting._base_manager.all()),
    ):
        with pytest.raises(PermissionDenied):
            write()


@pytest.mark.parametrize("term", ["{id}", " {id} ", "order-0"])
def test_a_search_finds_exactly_what_was_typed(office, posted, term):
    assert str(posted.id) in office.get(LIST, {"q": term.format(id=posted.id)}).content.decode()


@pytest.mark.parametrize("term", ["order", "rder-0", "ORDER-0", "0d0c53d4-cd04-448b-af49-416630bfddc1", "' OR 1=1 --", "%", "é"])
def test_a_search_finds_nothing_that_only_resembles(office, posted, term):
    response = office.get(LIST, {"q": term})
    assert response.status_code == 200
    assert str(posted.id) not in response.content.decode()


def test_a_list_costs_the_same_with_one_row_and_with_many(office, posted, django_assert_num_queries):
    queries = 6
    with django_assert_num_queries(queries):
        office.get(LIST)
    post(20)
    with django_assert_num_queries(queries):
        office.get(LIST)


def test_a_large_table_is_not_counted_but_estimated_and_its_far_pages_are_closed(office, monkeypatch):
    monkeypatch.setattr(paging, "MAX_COUNTED", 5)
    monkeypatch.setattr(paging, "MAX_PAGES", 1)
    monkeypatch.setattr(PostingAdmin, "list_per_page", 4)
    post(1200)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ledger_posting")
    html = office.get(ALL).content.decode()
    assert "about 1,200 postings; to see older ones, search or filter" in " ".join(html.split())
    assert office.get(LIST, {"p": paging.MAX_PAGES + 1, "window": "all"}).status_code == 302


def test_an_empty_list_says_what_to_do(office):
    assert "They appear here as soon as the API or a command records one." in office.get(LIST).content.decode()
    html = office.get(LIST, {"q": "<nothing>"}).content.decode()
    assert "Nothing matches “&lt;nothing&gt;”" in html
    assert '<a href="?"' in html


def test_filtered_rows_are_counted_no_further_than_a_reader_would_go(office, monkeypatch):
    monkeypatch.setattr(paging, "MAX_COUNTED", 5)
    rows = post(8)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_posting SET reference_id = 'same'")
    html = " ".join(office.get(LIST, {"q": "same"}).content.decode().split())
    assert "more than 5 postings" in html
    assert len(rows) == 8


def test_a_currency_may_be_a_relation_away():
    page = PostingAdmin(Posting, OfficeSite())
    page.currency_path = "grant.currency"
    assert page.currency_of(SimpleNamespace(grant=SimpleNamespace(currency="EUR"))) == "EUR"
    assert page.currency_of(SimpleNamespace(grant=None)) == ""
