"""The admin of an append-only table: fast with many rows, and read-only."""

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.urls import include, path

from backoffice.site import OfficeSite
from kernel.ledger.admin import LedgerAdmin, formatting, lists, paging, searching, sums
from kernel.ledger.admin.time_limits import time_limit
from kernel.ledger.base_models import LedgerRow
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import MoneyField, with_thousands
from kernel.tenants.models import Tenant
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
    search_parts = ("reference_id",)
    has_signed_amounts = True


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


def post(count: int, *, amount: str = "-1234.5", tenant: Tenant | None = None) -> list[Posting]:
    tenant = tenant or TenantFactory()
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


SEARCHES = [
    "{id}",
    " {id} ",
    "order-0",
    "order",
    "rder-0",
    "ÓRDER",
    "amount:1234.5",
    "amount:1,234.50",
    "amount:1.234,50",
    "amount:1000..2000",
]
DATES = ["march 2026", "2026-03", "1 march 2026", "order 2026-03-01", "tenant:{tenant} currency:usd"]


@pytest.mark.parametrize("term", SEARCHES + DATES)
def test_a_search_finds_parts_amounts_names_and_dates(office, posted, term):
    typed = term.format(id=posted.id, tenant=posted.tenant.slug[:3])
    assert str(posted.id) in office.get(LIST, {"q": typed}).content.decode()


OTHER = [
    "order-1",
    "0d0c53d4-cd04-448b-af49-416630bfddc1",
    "' OR 1=1 --",
    "%",
    "ü",
    "amount:1234.51",
    "april 2026",
    "order 2026-04",
    "agent:x",
]


@pytest.mark.parametrize("term", OTHER)
def test_a_search_finds_nothing_else(office, posted, term):
    response = office.get(LIST, {"q": term})
    assert response.status_code == 200
    assert str(posted.id) not in response.content.decode()


def test_what_has_the_text_in_the_middle_is_looked_for_in_the_newest_rows_if_the_table_is_too_large(office, posted, monkeypatch):
    """A statement that is stopped takes nothing with it, and the search says what it didn't read."""
    monkeypatch.setattr(searching, "NEWEST", 1)
    monkeypatch.setattr(searching, "SMALL_TABLE_BYTES", 0)
    monkeypatch.setattr(searching, "time_limit", stopped_at_once)
    newest = post(1)[0]
    html = office.get(LIST, {"q": "rder"}).content.decode()
    assert "Parts and words were looked for in the newest 1 rows only" in html
    assert (str(newest.id) in html, str(posted.id) in html) == (True, False)


@pytest.mark.parametrize("query", ["rder", "tenant:{tenant} rder"])
def test_of_a_table_that_no_search_can_read_in_time_only_the_newest_rows_are_read(office, posted, monkeypatch, query):
    """What narrows the rows may have an index, so it is tried all the same. A small table is read without a limit, which takes longer."""
    monkeypatch.setattr(searching, "NEWEST", 1)
    monkeypatch.setattr(searching, "MOST_TABLE_BYTES", 0)
    newest = post(1, tenant=posted.tenant)[0]
    with CaptureQueriesContext(connection) as captured:
        html = office.get(LIST, {"q": query.format(tenant=posted.tenant.slug)}).content.decode()
    assert (str(newest.id) in html, str(posted.id) in html) == (True, query != "rder")
    assert ("newest 1 rows only" in html) == (query == "rder")
    assert not [each for each in captured if "statement_timeout" in each["sql"] and "rder" in each["sql"]]


def test_a_list_whose_filter_reads_too_much_shows_the_newest_rows_and_says_so(office, posted, monkeypatch):
    monkeypatch.setattr(lists, "time_limit", stopped_at_once)
    html = office.get(ALL, {"amount_from": "1,000", "window": "all"}).content.decode()
    assert "Only the newest 50,000 rows were looked at" in html
    assert str(posted.id) in html


@contextmanager
def stopped_at_once(milliseconds):
    with time_limit(1), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1)")
    yield


def test_amounts_are_filtered_by_a_range_and_summed_by_currency_up_to_a_bound(office, monkeypatch):
    post(2, amount="-1234.5")
    post(1, amount="7350.25")
    html = office.get(LIST, {"window": "all", "amount_from": "7,000", "amount_to": "7.350,25"}).content.decode()
    assert '<span class="money">7,350.25 <span>USD</span></span>' in html[html.index("ch-foot") :]
    assert "-2,469.00" in office.get(LIST, {"window": "all", "amount_to": "2000"}).content.decode()
    monkeypatch.setattr(sums, "MAX_COUNTED", 2)
    monkeypatch.setattr(paging, "MAX_COUNTED", 2)
    assert "Adding up every row" in office.get(ALL).content.decode()
    assert "4,881.25" in office.get("/admin/backoffice/sums/", {"from": ALL}).content.decode()
    assert "The filter was removed: write amounts" in office.get(LIST, {"amount_from": "x"}, follow=True).content.decode()


def test_the_columns_that_the_address_names_are_shown_and_only_sorted_by_an_index(office, posted):
    html = office.get(LIST, {"window": "all", "columns": "amount.currency"}).content.decode()
    table = html[html.index('<table id="result_list"') : html.index("</table>")]
    assert table.count("<th scope=") == 3  # Two columns, and the first one of the row.
    assert "order-0" not in table
    assert "?o=" not in table
    sortable = office.get(LIST, {"window": "all"}).content.decode()
    assert sortable.count('title="Sort') == 2
    with CaptureQueriesContext(connection) as queries:
        office.get(LIST, {"window": "all", "o": "4"})
    assert not any('ORDER BY "ledger_posting"."amount"' in query["sql"] for query in queries)


def test_a_list_costs_the_same_with_one_row_and_with_many(office, posted, django_assert_num_queries):
    queries = 14
    with django_assert_num_queries(queries):
        office.get(ALL)
    post(20)
    with django_assert_num_queries(queries):
        office.get(ALL)


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


def test_the_actor_of_a_backfill_is_a_link_to_its_run():
    run = new_id()
    actor = f"command:backfill_billing_transactions:{run}"
    name = formatting.actor_names([actor])[actor]
    assert f"/admin/backfills/backfillrun/{run}/change/" in name
    assert re.sub("<[^>]*>", "", name) == f"Backfill run …{str(run)[-8:]}"
