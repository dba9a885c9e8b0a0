"""One search: what it takes apart, what it finds in the three ledgers, in which order, and what it never shows."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backoffice.models import Customer
from billing import services as billing
from billing.models import Transaction as BillingTransaction
from credits import services as credits
from credits.models import CreditTransaction, Grant
from kernel.ledger.admin import searching, text_conditions
from kernel.ledger.admin.search_terms import folded, read_amounts, read_terms
from kernel.tenants.models import Tenant
from metering.models import Transaction as MeteredTransaction
from metering.services import record_transaction
from tests.backoffice.staff_members import employ, log_in
from tests.factories import TenantFactory

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
WHO = {"actor": "command:test", "request_id": "test"}


@pytest.mark.parametrize(
    ("typed", "amounts"),
    [
        ("7350.25", ["7350.25"]),
        ("7,350.25", ["7350.25"]),
        ("7.350,25", ["7350.25"]),
        ("7 350,25", ["7350.25"]),
        ("7'350.25", ["7350.25"]),
        ("-$7,350.25", []),
        ("$7,350.25", ["7350.25"]),
        ("-5", ["5"]),
        # Seven thousand, or seven and a bit: both are looked for.
        ("7,350", ["7350", "7.350"]),
        ("7.350", ["7.350", "7350"]),
        ("1,234,567", ["1234567"]),
        ("1.2.3", []),
        ("12a", []),
        ("9" * 30, []),
        ("", []),
    ],
)
def test_amounts_are_read_as_people_write_them(typed, amounts):
    assert read_amounts(typed) == [Decimal(amount) for amount in amounts]


@pytest.mark.parametrize(
    ("typed", "since", "until"),
    [
        ("march 2026", "2026-03-01", "2026-04-01"),
        ("2026-03", "2026-03-01", "2026-04-01"),
        ("2026-03-14", "2026-03-14", "2026-03-15"),
        ("14 Mar 2026", "2026-03-14", "2026-03-15"),
        ("march 14", "2026-03-14", "2026-03-15"),
        # Without a year, the newest that isn't in the future.
        ("december", "2025-12-01", "2026-01-01"),
        ("q1 2026", "2026-01-01", "2026-04-01"),
        ("yesterday", "2026-11-28", "2026-11-29"),
        ("last week", "2026-11-16", "2026-11-23"),
        ("last month", "2026-10-01", "2026-11-01"),
        ("last 7 days", "2026-11-23", "2026-11-30"),
        # A Sunday.
        ("last tuesday", "2026-11-24", "2026-11-25"),
        ("last sunday", "2026-11-22", "2026-11-23"),
        ("sunday", "2026-11-29", "2026-11-30"),
    ],
)
def test_rough_dates_are_days(typed, since, until):
    period = read_terms(typed, now=NOW).period
    assert (f"{period.since:%Y-%m-%d}", f"{period.until:%Y-%m-%d}") == (since, until)


@pytest.mark.parametrize("typed", ["may", "INV-2026-03", "2026-13", "1700-01", "mar", "last straw", "9" * 500])
def test_what_is_no_date_stays_text(typed):
    terms = read_terms(typed, now=NOW)
    assert (terms.period, terms.text) == (None, typed)


def test_a_search_is_taken_apart():
    terms = read_terms('acme invoice:"A 7" agent: writer amount:100..200', now=NOW)
    assert (terms.text, terms.named, terms.amounts) == ("acme", {"invoice": "A 7", "agent": "writer"}, [(Decimal(100), Decimal(200))])
    assert read_terms('"half a quote', now=NOW).text == '"half a quote'
    whole = read_terms("Acme amount:7,350.25 tenant:nova march 2026 refund", now=NOW)
    assert (whole.text, whole.named, whole.amounts) == ("Acme refund", {"tenant": "nova"}, [(Decimal("7350.25"), Decimal("7350.25"))])
    assert f"{whole.period.since:%Y-%m}" == "2026-03"
    assert folded("ÁNGSTRÖM Łódź ß") == "angstrom lodz s"


# ---- the palette


@pytest.fixture
def acme():
    tenant = TenantFactory(name="Acme", slug="acme")
    fill(tenant, "Björn Ångström", "INV-2026-0007")
    return tenant


@pytest.fixture
def viewer(acme):
    return log_in(employ("vera", "viewer", tenants=[acme]))


def fill(tenant, name, reference):
    context = {"tenant_id": tenant.id, **WHO}
    when = datetime(2026, 3, 14, 10, tzinfo=UTC)
    billing.record_transaction(
        **context,
        amount=Decimal("7350.25"),
        type="usage",
        reference_id=reference,
        agent_id="Répondeur",
        occurred_at=when,
        description="Überweisung von Frau Lindqvist",
        metadata=r'{"bank": "tr-55-19", "payer": "Jos\u00e9 MU\u00D1OZ", "note": "a \"b\"\n\ud83d\ude00"}',
    )
    wrong = billing.record_transaction(**context, amount=Decimal("4.75"), type="usage", reference_id="wrong-1").row
    billing.reverse_transaction(**context, transaction_id=wrong.id, reason_code="other", reference_id="back-1", amount=Decimal("4.75"))
    customer = f"cust-{tenant.slug}"
    credits.create_grant(**context, customer_id=customer, unit_type="CURRENCY", currency="EUR", name="Prepaid", amount=Decimal(100))
    credits.consume(**context, customer_id=customer, currency="EUR", amount=Decimal("12.5"), invoice_id=reference)
    facts = {"unit_type": "CURRENCY", "currency": "EUR", "name": "Für Müller", "amount": Decimal(1)}
    credits.create_grant(**context, customer_id="mueller-soehne", **facts)
    Customer.objects.create(tenant=tenant, customer_id=customer, name=name, updated_by="staff:1")
    names = {"service_name": "model", "action_name": "chat", "resource_name": "r", "agent_name": "Répondeur", "customer_id": customer}
    cost = {"fiat_amount": Decimal("0.75"), "fiat_asset_symbol": "USD", "is_estimate": True}
    record_transaction(**context, **names, costs=[cost])


def search_for(client, typed):
    """The titles of the groups, and those of what is in them."""
    response = client.get("/admin/search/", {"s": typed, "extended": "1"})
    assert response.status_code == 200
    html = response.content.decode()
    return re.findall("<h3>(.*?)</h3>", html), re.findall('data-title="(.*?)"', html), html


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "group", "title"),
    [
        ("angstrom", "Customers", "Björn Ångström"),
        ("ÅNGS", "Customers", "Björn Ångström"),
        ("ust-acm", "Customers", "Björn Ångström"),
        ("customer:bjorn", "Customers", "Björn Ångström"),
        ("0007", "Billing: entries", "Usage INV-2026-0007"),
        ("inv-2026", "Billing: entries", "Usage INV-2026-0007"),
        ("amount:7.350,25", "Billing: entries", "Usage INV-2026-0007"),
        ("7,350.25", "Billing: entries", "Usage INV-2026-0007"),
        ("agent:repon march 2026", "Billing: entries", "Usage INV-2026-0007"),
        ("reference:2026-0007 tenant:acm type:usage", "Billing: entries", "Usage INV-2026-0007"),
        # Words of a description and of metadata, in any case.
        ("frau lindqvist", "Billing: entries", "Usage INV-2026-0007"),
        ("TR-55-19", "Billing: entries", "Usage INV-2026-0007"),
        # Letters that the caller wrote as escapes are letters.
        ("josé muñoz", "Billing: entries", "Usage INV-2026-0007"),
        ("MUNOZ", "Billing: entries", "Usage INV-2026-0007"),
        # Plain words beside a date or an amount mean what `agent:`, `type:` and `tenant:` do.
        ("repondeur 14 march 2026", "Billing: entries", "Usage INV-2026-0007"),
        ("usage march 2026", "Billing: entries", "Usage INV-2026-0007"),
        ("usage amount:7350..7351", "Billing: entries", "Usage INV-2026-0007"),
        ("acme march 2026", "Billing: entries", "Usage INV-2026-0007"),
        # An amount without its decimals; with two digits exchanged.
        ("7350", "Billing: entries", "Usage INV-2026-0007"),
        ("usage 7350", "Billing: entries", "Usage INV-2026-0007"),
        ("7,530.25", "No such amount. Billing: entries with near ones", "Usage INV-2026-0007: digits exchanged?"),
        # Umlauts spelt out, in the customer's name or in the search; the customer's rows too.
        ("bjoern", "Customers", "Björn Ångström"),
        ("mueller-soehne", "Customers", "mueller-soehne"),
        ("müller", "Customers", "mueller-soehne"),
        ("müller", "Credits: grants", "Für Müller"),
        ("söhne", "Credits: credit entries", None),
        ("acm 0007", "Billing: entries", "Usage INV-2026-0007"),
        # The name of a column, and a state, beside another word or a date.
        ("invoice 0007", "Credits: credit entries", None),
        ("4.75 refunded", "Billing: entries", "Usage reversal back-1"),
        ("4.75 reversal", "Billing: entries", "Usage wrong-1"),
        ("bjorn ångström", "Customers", "Björn Ångström"),
        ("0007 inv", "Billing: entries", "Usage INV-2026-0007"),
        ("currency:eur amount:12.50", "Credits: credit entries", None),
        ("customer:bjorn amount:1..20", "Credits: credit entries", None),
        ("repondeur", "Metering: agents", "Répondeur"),
        ("customer:bjorn", "Metering: calls", None),
        ("amount:0.75", "Metering: costs", None),
        ("march 2026", "Everything of 2026-03-01 to 2026-03-31", "Billing: entries"),
    ],
)
def test_the_palette_finds_by_partial_memory(viewer, typed, group, title):
    groups, titles, _ = search_for(viewer, typed)
    assert group in groups
    assert title is None or title in titles


@pytest.mark.django_db
@pytest.mark.parametrize(("typed", "amount"), [("0007", "-7,350.25"), ("4.75 reversal", "+4.75"), ("invoice 0007", "-12.50")])
def test_amounts_of_entries_that_the_palette_finds_have_a_sign(viewer, typed, amount):
    assert f">{amount} <span>" in search_for(viewer, typed)[2]


@pytest.mark.django_db
@pytest.mark.parametrize("stored", [r"\u0000", r"\ud83d", r"\ude00", r"\ude00\ud83d", r"\\u00e9", r"\n\t\b\/\"", r"\ud83d\ud83d\ude00"])
def test_no_metadata_of_any_row_fails_a_search(viewer, acme, stored):
    """Half a pair of surrogates, and NUL, no API takes, but a row that has one is no reason to find nothing."""
    record = {"tenant_id": acme.id, **WHO, "amount": Decimal(1), "type": "usage"}
    row = billing.record_transaction(**record, reference_id="odd", metadata='{"payer": "Zo"}').row
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_transaction DISABLE TRIGGER USER")
        cursor.execute("UPDATE billing_transaction SET metadata = %s WHERE id = %s", [f'{{"payer": "Zo\\u00eb x{stored}"}}', row.id])
    assert "Usage odd" in search_for(viewer, "zoë")[1]
    assert "Usage odd" not in search_for(viewer, "xé")[1]


@pytest.mark.django_db
def test_the_palette_says_what_can_be_searched_and_leads_to_the_customers_page(viewer):
    for typed in ("", "nothing like it"):
        assert "amount:7,350.25" in search_for(viewer, typed)[2]
    assert "Nothing found for “nothing like it”" in search_for(viewer, "nothing like it")[2]
    assert "customers/customer/?tenant=" in search_for(viewer, "angstrom")[2]


@pytest.mark.django_db
def test_agents_of_one_name_are_told_apart_by_tenant_and_spend_and_invoices_are_shown(acme):
    fill(TenantFactory(name="Beta", slug="beta"), "Other", "INV-8")
    found = search_for(log_in(employ("gina", "viewer")), "repondeur")[2]
    rows = [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in re.findall('<a href="/admin/metering/agent/.*?</a>', found)]
    assert sorted(row.partition("Répondeur ")[2] for row in rows) == ["Acme · 0.75 USD in 30 days", "Beta · 0.75 USD in 30 days"]
    assert "INV-8" in search_for(log_in(employ("gino", "viewer")), "invoice:INV-8")[2]


@pytest.mark.django_db
def test_the_best_match_comes_first(viewer, acme):
    for name in ("Xangstrom", "Angstrom", "Angstrom und Söhne"):
        Customer.objects.create(tenant=acme, customer_id=f"c-{name}", name=name, updated_by="staff:1")
    assert search_for(viewer, "angstrom")[1][:4] == ["Angstrom", "Angstrom und Söhne", "Björn Ångström", "Xangstrom"]


@pytest.mark.django_db
def test_no_search_shows_what_the_reader_may_not_see(viewer):
    fill(TenantFactory(name="Hidden", slug="hidden"), "Hidden customer", "SECRET-1")
    searches = (
        "SECRET",
        "hidden",
        "amount:7350.25",
        "agent:repon",
        "customer:hidden",
        "tenant:hidden",
        "march 2026",
        "amount:12.5 invoice:secret",
    )
    for typed in searches:
        _, titles, html = search_for(viewer, typed)
        assert not any("SECRET" in title or "Hidden" in title for title in titles), typed
        assert "Hidden" not in html.replace(typed, "")
        response = viewer.get("/admin/billing/transaction/", {"q": typed})
        assert "SECRET-1" not in response.content.decode(), typed
    nobody = log_in(employ("nemo"))
    assert search_for(nobody, "amount:7350.25")[1] == []
    # What was found before a tenant was taken away isn't kept.
    assert "no-store" in viewer.get("/admin/search/", {"s": "x", "extended": "1"})["Cache-Control"]


INDEXES = [
    (BillingTransaction, "reference_id", "billing_transaction_reference_key"),
    (BillingTransaction, "agent_id", "billing_transaction_agent"),
    (CreditTransaction, "invoice_id", "credits_txn_invoice_index"),
    (CreditTransaction, "customer_id", "credits_txn_customer_index"),
    (Grant, "customer_id", "credits_grant_customer_index"),
    (MeteredTransaction, "customer_id", "metering_transaction_customer"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "column", "index"), INDEXES, ids=str)
def test_exact_values_and_beginnings_are_found_by_an_index(model, column, index):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    rows = model.objects.order_by().filter(tenant__in=Tenant.objects.all())
    for condition in (searching.equal_to(rows, column, "abc"), text_conditions.range_of(column, "abc")):
        plan = rows.filter(condition).explain()
        assert re.search(rf"Index Cond: .*{column}", plan), plan
        assert index in plan


@pytest.mark.django_db
@pytest.mark.parametrize("model", [BillingTransaction, CreditTransaction, MeteredTransaction])
def test_the_newest_rows_of_a_table_are_found_by_its_key(model):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        # A few rows are sorted as quickly. What is asked is whether the key has the order, which a plan must then use.
        cursor.execute("SET LOCAL enable_sort = off")
    plan = model.objects.order_by("-id").values_list("id", flat=True)[:50_000].explain()
    assert "Backward" in plan
    assert "Sort" not in plan


@pytest.mark.django_db
@pytest.mark.parametrize("typed", ["amount:7350.25", "7,350.25"])
def test_an_amount_of_an_entry_is_found_by_its_index_at_any_age(office, acme, typed):
    """In the order of the list, the planner would read all rows from the newest on until it has found enough."""
    with CaptureQueriesContext(connection) as captured:
        found = office.get("/admin/billing/transaction/", {"q": typed}).context["cl"].result_list
    assert [row.reference_id for row in found] == ["INV-2026-0007"]
    statement = next(query["sql"] for query in captured if '"billing_transaction"."amount" >=' in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "billing_transaction_amount" in plan, plan
    assert "ORDER BY" not in statement


@pytest.mark.django_db
def test_a_search_for_amounts_without_an_index_says_what_it_did_not_read(office, acme, monkeypatch):
    def stopped(milliseconds):
        raise searching.TookTooLong

    monkeypatch.setattr(searching, "SMALL_TABLE_BYTES", 0)
    monkeypatch.setattr(searching, "time_limit", stopped)
    for path, query in (("/admin/metering/cost/", {"q": "amount:0.75"}), ("/admin/search/", {"s": "amount:0.75", "extended": "1"})):
        assert "Amounts were looked for in the newest 50,000 rows only." in office.get(path, query).content.decode()


@pytest.mark.django_db
def test_a_type_is_found_and_filtered_by_what_it_is_called(viewer, acme):
    context = {"tenant_id": acme.id, **WHO}
    billing.define_type(**context, code="svc", label="Gebühr (Service)", direction="debit")
    for number, code in enumerate(("svc", "refund", "late_fee")):
        billing.record_transaction(**context, amount=Decimal(1), type=code, reference_id=f"T-{number}")
    for typed in ("type:gebuhr", 'type:"gebühr (service)"', "type:svc", "type:SVC"):
        assert any("T-0" in title for title in search_for(viewer, typed)[1]), typed
    listed = "/admin/billing/transaction/"
    for typed, reference in (("Gebühr (Service)", "T-0"), ("svc", "T-0"), ("Refund", "T-1"), ("late fee", "T-2")):
        found = viewer.get(listed, {"window": "all", "type_is": typed})
        assert [row.reference_id for row in found.context["cl"].result_list] == [reference], typed
        sums = viewer.get("/admin/backoffice/sums/", {"from": f"{listed}?{urlencode({'window': 'all', 'type_is': typed})}"})
        assert "1.00" in sums.content.decode(), typed
    assert "Credits: credit entries" in search_for(viewer, "type:credit")[0]
