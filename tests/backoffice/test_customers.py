"""A customer's page: balances, grants, one timeline of the three ledgers, a statement; and the list and the names that lead to it."""

import re
import time
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from backoffice.models import Customer, id_of_customer
from billing import services as billing
from billing.models import Wallet, WalletHold
from credits import services as credits
from credits.models import Grant, Hold, RecurringGrant
from kernel.corrections import services as corrections
from kernel.corrections.models import CorrectionRequest
from kernel.ledger.admin.time_limits import TookTooLong
from metering.services import count_usage, record_transaction
from tests.backoffice.staff_members import employ, log_in
from tests.backoffice.test_settings import change
from tests.factories import TenantFactory
from tests.replaced_rules import replace_rule

pytestmark = pytest.mark.django_db
WHO = {"actor": "command:test", "request_id": "test"}
REQUEST_FORM = "/admin/corrections/correctionrequest/new/"
REASON = {"reason_code": "goodwill", "reason": "Promised.", "evidence_link": ""}


def parsed(address):
    return dict(parse_qsl(urlsplit(address).query))


def links(html):
    return [unescape(address) for address in re.findall(r'href="([^"]*)"', html)]


def text_of(response):
    assert response.status_code == 200
    return " ".join(re.sub("<[^>]*>", " ", response.content.decode()).split())


def test_a_customer_is_found_named_and_read_over_the_three_ledgers(django_assert_max_num_queries):
    tenant = TenantFactory(name="Acme")
    context = {"tenant_id": tenant.id, **WHO}
    its = {"customer_id": "cust/1 & co", "currency": "USD"}
    soon = timezone.now().date() + timedelta(days=10)
    credits.create_grant(**context, **its, unit_type="CURRENCY", name="Prepaid", amount=Decimal(100), expiry_date=soon)
    credits.place_hold(**context, **its, amount=Decimal(5), expires_at=timezone.now() + timedelta(hours=1))
    credits.consume(**context, **its, amount=Decimal(30), invoice_id="INV-1")
    credits.create_recurring_grant(**context, **its, unit_type="CURRENCY", name="Monthly", amount=Decimal(7))
    billing.record_transaction(**context, amount=Decimal(30), type="usage", reference_id="INV-1")
    record_transaction(**context, service_name="model", action_name="chat", resource_name="r", customer_id="cust/1 & co", costs=[])
    operator, clerk = log_in(employ("olga", "operator")), log_in(employ("clara", "clerk"))
    change(operator, "backoffice/customer/name-customer", tenant=tenant, customer_id="cust/1 & co", name="Müller AG", notes_text="tax=19 %")
    found = clerk.get("/admin/search/", {"s": "müller", "extended": "1"}).content.decode()
    grant = clerk.get(f"/admin/credits/grant/{Grant.objects.first().id}/change/").content.decode()
    assert all("customers/customer/?tenant=" in html and "Müller AG" in html for html in (found, grant))
    listed = operator.get("/admin/customers/", {"tenant": tenant.id, "q": "müller"})
    [row] = listed.context["customers"]
    with django_assert_max_num_queries(30):
        page = text_of(clerk.get(row["url"]))
    for shown in (
        "Müller AG",
        "tax 19 %",
        "USD 72.00 USD of a balance of 77.00 USD held 5.00 USD",
        "70.00 USD",
        "Consumption",
        "1 call of one hour",
        "usage",
        "Monthly",
        "Void",
    ):
        assert shown in page
    assert "model chat" in text_of(clerk.get(f"{row['url']}&show=usage"))
    statement = text_of(clerk.get(row["url"].replace("customers/customer", "customers/statement") + "&clock=world"))
    assert "USD 0.00 USD 77.00 USD 77.00 USD" in statement
    assert [part in statement for part in ("-30.00 USD 70.00 USD", "+7.00 USD 77.00 USD")] == [True, True]
    address = row["url"].replace("customers/customer", "customers/statement")
    file = clerk.get(f"{address}&format=csv")
    lines = b"".join(file.streaming_content).decode().splitlines()
    assert lines[0] == "\ufefftenant,customer,unit,when,kind,grant,invoice,change,balance,id"
    assert (lines[1], lines[-1]) == ("Acme,cust/1 & co,USD,,opening_balance,,,,0,", "Acme,cust/1 & co,USD,,closing_balance,,,,77,")
    assert tenant.slug in file["Content-Disposition"]
    for days, error in (
        ("from=2026-12-01&to=2026-11-01", "after the last one"),
        ("from=2026-13-01", "Write a day"),
        ("to=0001-01-01", "Write a day"),
    ):
        assert error in text_of(clerk.get(f"{address}&{days}"))
    # In the list the balance is that of the customer's page; a grant that begins later stands apart.
    credits.create_grant(**context, **its, unit_type="CURRENCY", name="Promised", amount=Decimal(1000), effective_date=soon)
    assert "3 77.00 USD 5.00 USD 1,000.00 USD" in text_of(operator.get("/admin/customers/", {"tenant": tenant.id}))


def test_the_timeline_groups_usage_says_its_costs_and_goes_on_with_older_pages_of_each_ledger(monkeypatch):
    monkeypatch.setattr("backoffice.customers.timeline.SHOWN", 2)
    tenant = TenantFactory(name="Acme")
    context = {"tenant_id": tenant.id, **WHO}
    its = {"customer_id": "cust 1", "currency": "USD"}
    names = {"service_name": "model", "action_name": "chat", "resource_name": "r", "customer_id": "cust 1"}
    for amount in ("0.25", "0.50", "0.75"):
        cost = {"fiat_amount": Decimal(amount), "fiat_asset_symbol": "USD", "is_estimate": False}
        record_transaction(**context, **names, costs=[cost])
    for number in range(3):
        credits.create_grant(**context, **its, unit_type="CURRENCY", name=f"Prepaid {number}", amount=Decimal(10))
    payment = {"amount": Decimal(30), "type": "topup", "reference_id": "PAY-1"}
    billing.record_transaction(**context, **payment, metadata='{"payer": "cust 1"}', description="Transfer")
    billing.record_transaction(**context, **payment | {"reference_id": "PAY-2"}, metadata='{"payer": "cust 10"}')
    reader = log_in(employ("vera", "viewer"))
    address = {"tenant": tenant.id, "id": "cust 1"}

    def pages(**wanted):
        """The rows of all pages, as text."""
        found, url = [], f"?{urlencode(address | wanted)}"
        while url:
            shown = reader.get(f"/admin/customers/customer/{url.partition('#')[0]}").context["timeline"]
            found += [re.sub("<[^>]*>", " ", " ".join(map(str, row[1:5]))).split() for row in shown.panel.rows]
            url = shown.older
        return [" ".join(row) for row in found]

    for clock in ("book", "world"):
        rows = pages(clock=clock)
        assert len(rows) == 5
        assert "Usage 3 calls of one hour 1.50 USD" in rows
        assert "Money Topup PAY-1 Transfer -30.00 USD" in rows or "Money Top-up PAY-1 Transfer +30.00 USD" in rows, rows
    assert [row.split()[-2] for row in pages(show="usage")] == ["0.75", "0.50", "0.25"]
    assert len(pages(show="credits")) == 3
    assert len(pages(show="money")) == 1
    # Of a page that is full of calls, the oldest hour may go on: it is continued on the next one.
    monkeypatch.setattr("backoffice.customers.timeline.GROUPED", 2)
    assert [row for row in pages() if row.startswith("Usage")] == [
        "Usage the newest 2 calls of one hour 1.25 USD",
        "Usage 1 call of one hour 0.25 USD",
    ]
    assert reader.get("/admin/customers/customer/", {**address, "before_usage": "x"}).status_code == 404


@pytest.mark.parametrize("typed", ["muller zurich", "zürich", "MUELLER", "Kanzlei"])
def test_a_customer_without_a_name_is_found_by_words_in_the_middle_of_its_id(monkeypatch, typed):
    tenant = TenantFactory(name="Acme")
    facts = {"name": "g", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(1)}
    for customer_id in ("kanzlei-müller-zürich", "müller-köln", "zürich-nord"):
        credits.create_grant(tenant_id=tenant.id, **WHO, customer_id=customer_id, **facts)
    reader = log_in(employ("vera", "viewer"))
    listed = reader.get("/admin/customers/", {"tenant": tenant.id, "q": typed})
    assert "kanzlei-müller-zürich" in [row["id"] for row in listed.context["customers"]]
    assert "Customers" in text_of(reader.get("/admin/search/", {"s": typed, "extended": "1"})).split(" Billing")[0]
    if " " in typed:
        assert len(listed.context["customers"]) == 1
    monkeypatch.setattr("backoffice.customers.id_search.time_limit", _no_time)
    assert "There was no time" in text_of(reader.get("/admin/customers/", {"tenant": tenant.id, "q": "zürich"}))


def test_a_customer_with_metered_calls_only_is_listed_and_found_by_those_who_may_see_calls(monkeypatch):
    monkeypatch.setattr("backoffice.customers.pages.LISTED", 2)
    tenant, foreign = TenantFactory(name="Acme"), TenantFactory(name="Foreign")
    for customer_id in ("b", "d"):
        facts = {"name": "g", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(1)}
        credits.create_grant(tenant_id=tenant.id, **WHO, customer_id=customer_id, **facts)
    for owner, customer_id in (
        (tenant, "a lovelace"),
        (tenant, "a lovelace"),
        (tenant, "d"),
        (tenant, "e"),
        (foreign, "c"),
        (tenant, None),
    ):
        call = {"service_name": "model", "action_name": "chat", "resource_name": "r", "customer_id": customer_id}
        record_transaction(tenant_id=owner.id, **WHO, **call, costs=[])
    count_usage(tenant_id=tenant.id)
    reader = log_in(employ("vera", "viewer", tenants=[tenant]))
    first = reader.get("/admin/customers/", {"tenant": tenant.id})
    assert [row["id"] for row in first.context["customers"]] == ["a lovelace", "b"]
    assert [row["id"] for row in reader.get(f"/admin/customers/{first.context['next']}").context["customers"]] == ["d", "e"]
    for typed in ("a lovelace", "lovel"):
        found = reader.get("/admin/customers/", {"tenant": tenant.id, "q": typed}).context["customers"]
        assert [row["id"] for row in found] == ["a lovelace"]
        assert reader.get(found[0]["url"]).status_code == 200
    assert "a lovelace · Acme" in text_of(reader.get("/admin/search/", {"s": "lovel", "extended": "1"}))
    user = employ("cora", tenants=[tenant])
    user.user_permissions.add(Permission.objects.get(codename="view_grant", content_type__app_label="credits"))
    grants_only = log_in(user)
    assert [row["id"] for row in grants_only.get("/admin/customers/", {"tenant": tenant.id}).context["customers"]] == ["b", "d"]
    assert not grants_only.get("/admin/customers/", {"tenant": tenant.id, "q": "lovel"}).context["customers"]
    assert "a lovelace" not in text_of(grants_only.get("/admin/search/", {"s": "lovel", "extended": "1"}))


@contextmanager
def _no_time(milliseconds):
    raise TookTooLong
    yield


def test_the_list_goes_on_after_a_page_and_shows_no_tenant_that_the_reader_does_not_see(monkeypatch):
    monkeypatch.setattr("backoffice.customers.pages.LISTED", 2)
    tenant, foreign = TenantFactory(name="Acme"), TenantFactory(name="Foreign")
    for owner, customer_id in [(tenant, "a"), (tenant, "b"), (tenant, "b"), (tenant, "c"), (foreign, "d")]:
        facts = {"name": "g", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(1)}
        credits.create_grant(tenant_id=owner.id, **WHO, customer_id=customer_id, **facts)
    reader = log_in(employ("vera", "viewer", tenants=[tenant]))
    first = reader.get("/admin/customers/", {"tenant": foreign.id})
    assert [row["id"] for row in first.context["customers"]] == ["a", "b"]
    assert [row["id"] for row in reader.get(f"/admin/customers/{first.context['next']}").context["customers"]] == ["c"]
    assert reader.get("/admin/customers/customer/", {"tenant": foreign.id, "id": "d"}).status_code == 404
    assert reader.get("/admin/customers/customer/", {"tenant": tenant.id, "id": "nobody"}).status_code == 404
    assert log_in(employ("norah")).get("/admin/customers/").status_code == 403


def asked(client, address, **values):
    """Follows a link to the form of a correction to its end; the id of the request."""
    shown = client.get(address)
    assert shown.status_code == 200, address
    fields = parsed(address) | REASON | values
    preview = client.post(REQUEST_FORM, {**fields, "step": "preview"}).content.decode()
    hidden = {name: preview.split(f'name="{name}" value="')[1].split('"')[0] for name in ("preview_digest", "form_id")}
    confirmed = [client.post(REQUEST_FORM, {**fields, **hidden, "step": "confirm"}) for _ in range(2)]
    assert [each.status_code for each in confirmed] == [302, 302]
    assert confirmed[0]["Location"] == confirmed[1]["Location"]
    return CorrectionRequest.objects.get(pk=confirmed[0]["Location"].split("/")[-3])


def test_a_grant_is_given_extended_and_voided_from_the_customers_page_each_once_and_above_the_threshold_by_two_people():
    tenant, foreign = TenantFactory(name="Acme", currency="EUR"), TenantFactory()
    corrections.set_threshold(tenant_id=tenant.id, actor="staff:0", unit="EUR", amount=Decimal(50), daily_amount=Decimal(1000))
    clerk, approver = employ("clara", "clerk", tenants=[tenant]), employ("anna", "approver")
    browser = log_in(clerk)
    new = {"tenant": tenant.id, "id": "fresh & new"}
    assert log_in(employ("vera", "viewer")).post("/admin/customers/new-grant/", new).status_code == 403
    assert browser.post("/admin/customers/new-grant/", {**new, "tenant": foreign.id}).status_code == 404
    form = browser.post("/admin/customers/new-grant/", new)["Location"]
    assert "currency=EUR" in form
    facts = {"name": "Goodwill", "currency": "eur", "category": "promotional", "expiry_date": f"{timezone.now():%Y}-12-31"}
    assert (
        "can&#x27;t be negative"
        in browser.post(REQUEST_FORM, {**parsed(form), **REASON, **facts, "amount": "-5", "step": "preview"}).content.decode()
    )
    assert browser.get(form).status_code == 200
    assert browser.post(REQUEST_FORM, {**parsed(form), **REASON, **facts, "amount": "5", "step": "preview"}).status_code == 200
    stolen = {**parsed(form), "new_row": f"{foreign.id}:x", "row": id_of_customer(foreign.id, "x")}
    assert browser.post(REQUEST_FORM, {**stolen, **REASON, **facts, "amount": "5", "step": "confirm"}).status_code == 302
    assert browser.get(REQUEST_FORM, {**stolen, "new_row": "nothing"}).status_code == 404
    # Nothing is written before a request is made.
    assert not Customer.objects.exists()
    small = asked(browser, form, **facts, amount="40")
    assert Customer.objects.get().customer_id == "fresh & new"
    large = asked(browser, form, **facts, amount="60.5")
    assert (small.state, large.state, Grant.objects.get().original_amount) == ("posted", "waiting", Decimal(40))
    seen = text_of(log_in(approver).get(f"/admin/corrections/correctionrequest/{large.pk}/change/"))
    assert "asks to give a new grant to the customer fresh &amp; new" in seen
    assert "40.00 EUR added, posted alone" in seen
    corrections.approve_request(tenant_id=tenant.id, actor=f"staff:{approver.pk}", correction_id=large.pk, version=1)
    page = browser.get(f"/admin/customers/customer/?{urlencode(new)}").content.decode()
    assert page.count("Goodwill") >= 4
    grant = Grant.objects.get(original_amount=Decimal(40))
    credits.record_transaction(tenant_id=tenant.id, **WHO, grant_id=grant.pk, type="DEBIT", amount=Decimal(10))
    extend, void = (
        next(href for href in links(page) if f"row={grant.pk}" in href and f"kind=credits.{verb}" in href) for verb in ("extend", "void")
    )
    asked(browser, extend, expiry_date="2199-12-31")
    grant.refresh_from_db()
    later = Grant.objects.get(expiry_date="2199-12-31")
    assert (grant.status, grant.balance, later.balance, later.original_amount) == ("voided", 0, 30, 30)
    assert (later.category, later.customer_id, later.name) == ("promotional", "fresh & new", "Goodwill")
    refused = browser.post(REQUEST_FORM, {**parsed(extend), **REASON, "row": later.pk, "expiry_date": "2030-01-01", "step": "preview"})
    assert "not later" in refused.content.decode()
    asked(browser, void.replace(str(grant.pk), str(later.pk)))
    assert Grant.objects.get(pk=later.pk).status == "voided"


def test_a_new_tenants_wallet_is_opened_by_a_first_top_up_above_the_threshold_by_two_people():
    tenant = TenantFactory(name="Acme", currency="EUR")
    corrections.set_threshold(tenant_id=tenant.id, actor="staff:0", unit="EUR", amount=Decimal(50), daily_amount=Decimal(1000))
    browser = log_in(employ("clara", "clerk", tenants=[tenant]))
    empty = browser.get("/admin/billing/wallet/").content.decode()
    assert all(part in empty for part in ("open-wallet", "records a first top-up"))
    form = browser.get("/admin/billing/wallet/open-wallet", {"tenant": tenant.id}, follow=True).redirect_chain[-1][0]
    assert form in links(browser.get(f"/admin/tenants/tenant/{tenant.id}/change/").content.decode())
    facts = {"currency": "eur", "amount": "49.90", "reference_id": "PAY-1"}
    preview = {**parsed(form), **REASON, **facts, "step": "preview"}
    assert "letters of ISO 4217" in text_of(browser.post(REQUEST_FORM, {**preview, "currency": "ABC"}))
    assert asked(browser, form, **facts).state == "posted"
    wallet = Wallet.objects.get(tenant=tenant)
    assert (wallet.currency, wallet.balance) == ("EUR", Decimal("49.90"))
    assert "this one is in use" in text_of(browser.post(REQUEST_FORM, preview))
    assert asked(browser, form, **facts | {"currency": "USD", "reference_id": ""}).state == "waiting"
    assert log_in(employ("vera", "viewer")).get("/admin/billing/wallet/open-wallet/").status_code == 403


def test_a_hold_is_released_with_a_reason_and_a_recurring_grant_cancelled_from_the_page_that_shows_them():
    tenant = TenantFactory(name="Acme")
    context = {"tenant_id": tenant.id, **WHO}
    its = {"customer_id": "maria", "currency": "USD"}
    credits.create_grant(**context, **its, unit_type="CURRENCY", name="Prepaid", amount=Decimal(100))
    hold = credits.place_hold(**context, **its, amount=Decimal(5), expires_at=timezone.now() + timedelta(hours=1))
    credits.create_recurring_grant(**context, **its, unit_type="CURRENCY", name="Monthly", amount=Decimal(7))
    billing.record_transaction(**context, amount=Decimal(100), type="topup", reference_id="first")
    kept = billing.place_hold(**context, amount=Decimal(9), expires_at=timezone.now() + timedelta(days=1), reference_id="hold").row
    pages = (
        f"/admin/customers/customer/?{urlencode({'tenant': tenant.id, 'id': 'maria'})}",
        f"/admin/billing/wallet/{kept.wallet_id}/change/",
    )
    clerk, operator = log_in(employ("clara", "clerk")), log_in(employ("olga", "operator"))
    for holds in ("credits/hold", "billing/wallethold"):
        listed = [len(operator.get(f"/admin/{holds}/?open={age}").context["cl"].result_list) for age in ("any", "hour")]
        assert listed == [1, 0]
    for page in pages:
        assert not [href for href in links(clerk.get(page).content.decode()) if "/release/" in href or "/cancel/" in href]
        for address in [href for href in links(operator.get(page).content.decode()) if "/release/" in href or "/cancel/" in href]:
            shown = operator.post(address, {"step": "preview", "reason": "Asked for."}).content.decode()
            standing = shown.split('name="standing" value="')[1].split('"')[0]
            for _ in range(2):
                done = operator.post(address, {"step": "confirm", "reason": "Asked for.", "standing": standing})
                assert (done.status_code, done["Location"]) == (302, page)
    plan_row, hold_row, kept_row = RecurringGrant.objects.get(), Hold.objects.get(pk=hold.row.id), WalletHold.objects.get(pk=kept.id)
    assert (plan_row.status, hold_row.status, kept_row.status) == ("cancelled", "released", "released")
    assert Wallet.objects.get().held == Grant.objects.get(name="Prepaid").held == 0
    assert "/release/" not in operator.get(f"/admin/credits/hold/{hold.row.id}/change/").content.decode()


def test_what_ended_counts_as_ended_on_every_page_before_its_job_has_run():
    tenant = TenantFactory()
    context, its = {"tenant_id": tenant.id, **WHO}, {"customer_id": "ada", "currency": "USD"}
    grant = credits.create_grant(**context, **its, unit_type="CURRENCY", name="Prepaid", amount=Decimal(50))
    over = credits.create_grant(**context, **its, unit_type="CURRENCY", name="Over", amount=Decimal("7.29"))
    billing.record_transaction(**context, amount=Decimal(100), type="topup", reference_id="top")
    soon = timezone.now() + timedelta(seconds=1)
    credits.place_hold(**context, **its, amount=Decimal(15), expires_at=timezone.now() + timedelta(hours=1))
    credits.place_hold(**context, **its, amount=Decimal("7.5"), expires_at=soon)
    billing.place_hold(**context, amount=Decimal(15), expires_at=timezone.now() + timedelta(hours=1), reference_id="long")
    billing.place_hold(**context, amount=Decimal(3), expires_at=soon, reference_id="short")
    time.sleep(1.1)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE credits_grant DISABLE TRIGGER USER")
        cursor.execute("UPDATE credits_grant SET effective_date = '2026-01-01', expiry_date = '2026-02-01' WHERE id = %s", [over.row.id])
        cursor.execute("ALTER TABLE credits_grant ENABLE TRIGGER USER")
    clerk = log_in(employ("clara", "clerk"))
    page = clerk.get("/admin/customers/customer/", {"tenant": tenant.id, "id": "ada"})
    shown = [[re.sub("<[^>]*>", "", row[name]) for name in ("link", "state", "held")] for row in page.context["grants"]]
    assert sorted(shown) == [["Over", "Expired", ""], ["Prepaid", "Open", "15.00 USD"]]
    assert sorted(len(row["actions"]) for row in page.context["grants"]) == [0, 2]
    assert text_of(page).count("Release") == 0
    [listed] = clerk.get("/admin/customers/", {"tenant": tenant.id}).context["customers"]
    assert "15.00" in listed["held"][0]
    lists = {"wallet": "billing/wallet", "grant": "credits/grant", "of_wallets": "billing/wallethold", "of_grants": "credits/hold"}
    found = {name: {str(row.pk): row for row in clerk.get(f"/admin/{path}/").context["cl"].result_list} for name, path in lists.items()}
    assert [row.held for row in found["wallet"].values()] == [15]
    assert found["grant"][str(grant.row.id)].held == 15
    for name, path in lists.items():
        if name != "wallet":
            active = "open" if name == "grant" else "active"
            counts = [len(clerk.get(f"/admin/{path}/?status__exact={value}").context["cl"].result_list) for value in (active, "expired")]
            assert counts == [1, 1], path
            ended = next(
                row.pk for row in found[name].values() if row.pk == over.row.id or getattr(row, "amount", 0) in (Decimal("7.5"), 3)
            )
            assert "Expired" in text_of(clerk.get(f"/admin/{path}/{ended}/change/")), path
    statement = text_of(clerk.get("/admin/customers/statement/", {"tenant": tenant.id, "id": "ada"}))
    assert "57.29 USD 7.29 USD" in statement


def test_a_customer_s_pages_and_statement_go_by_the_database_s_clock():
    tenant = TenantFactory()
    context, its = {"tenant_id": tenant.id, **WHO}, {"customer_id": "ada", "currency": "USD"}
    last_day = timezone.now().date() + timedelta(days=10)
    credits.create_grant(**context, **its, unit_type="CURRENCY", name="Over", amount=Decimal("7.29"), expiry_date=last_day)
    replace_rule("ledger_now", "clock_timestamp() + make_interval(days => 40)")
    clerk = log_in(employ("clara", "clerk"))
    own = {"tenant": tenant.id, "id": "ada"}
    [listed] = clerk.get("/admin/customers/", {"tenant": tenant.id}).context["customers"]
    assert (listed["balances"], listed["grants"]) == ([], 0)
    statement = clerk.get("/admin/customers/statement/", {**own, "from": f"{timezone.now():%Y-%m-%d}"})
    assert str(statement.context["form"]["to"].value()) == f"{timezone.now() + timedelta(days=40):%Y-%m-%d}"
    assert "7.29 USD 7.29 USD" in text_of(statement)
    past = text_of(clerk.get("/admin/customers/statement/", {**own, "from": "2026-01-01", "to": f"{timezone.now():%Y-%m-%d}"}))
    assert "7.29 USD 7.29 USD 0.00 USD" in past
