"""A correction in a real browser: a wrong debit is found by its invoice, reversed by two people, and the month adds up."""

import csv
import io
from decimal import Decimal

import pytest
from django.contrib.sessions.models import Session

from billing import services as billing
from billing.models import Transaction, Wallet
from credits import services as credits
from credits.models import Grant
from tests.backoffice.staff_members import PASSWORD, employ
from tests.factories import TenantFactory

WHO = {"actor": "command:test", "request_id": "test"}


@pytest.fixture
def book(transactional_db):
    """A customer whose invoice was charged twice, the second time to the wrong grant."""
    tenant = TenantFactory(name="Acme Robotics")
    context = {"tenant_id": tenant.id, **WHO}
    billing.record_transaction(**context, amount=Decimal(1000), type="topup", reference_id="TOP-1")
    billing.record_transaction(**context, amount=Decimal("300.50"), type="charge", reference_id="INV-7")
    for name, amount, category, priority in (("Welcome credit", 100, "promotional", 10), ("Prepaid 2026", 500, "paid", 50)):
        facts = {"customer_id": "cust-7", "unit_type": "CURRENCY", "currency": "USD", "category": category, "priority": priority}
        credits.create_grant(**context, **facts, name=name, amount=Decimal(amount))
    credits.consume(**context, customer_id="cust-7", amount=Decimal(130), currency="USD", invoice_id="INV-7", reason="Monthly usage")
    return tenant


@pytest.fixture
def enter(visit):
    def enter(name, path="/admin/", **more):
        page = visit(f"/admin/login/?next={path}", **more)
        page.fill("#id_username", name)
        page.fill("#id_password", PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_load_state("networkidle")
        return page

    return enter


def follow(page, role, name, **more):
    page.get_by_role(role, name=name, **more).first.click()
    page.wait_for_load_state("networkidle")


def search(page, path, term):
    page.goto(path)
    page.fill("#searchbar", term)
    page.press("#searchbar", "Enter")
    page.wait_for_load_state("networkidle")


def ask_to_reverse(page):
    follow(page, "link", "Reverse", exact=True)
    page.select_option("#id_reason_code", "duplicate")
    page.fill("#id_reason", "The retry of 3 November charged it twice.")
    page.fill("#id_evidence_link", "https://tickets.example.com/42")
    follow(page, "button", "Show what would be posted")


def test_a_debit_is_found_and_reversed_by_two_people(enter, book):
    employ("clara", "clerk", first_name="Clara", last_name="Klein")
    employ("anna", "approver", first_name="Anna", last_name="Meyer")

    # She opens the first page, and finds the debit by its invoice.
    clerk = enter("clara")
    assert clerk.get_by_text("300.50").count() >= 1
    search(clerk, "/admin/credits/credittransaction/", "INV-7")
    assert clerk.locator("#result_list tbody tr").count() == 2
    clerk.locator("#result_list tbody tr").filter(has_text="30.00").locator("th a").click()
    clerk.wait_for_load_state("networkidle")

    # She sees why that grant was charged, and which other one paid for the same invoice.
    assert clerk.get_by_text("No. 2 in burn-down order: priority 50").count() >= 1
    assert clerk.get_by_role("link", name="Welcome credit").count() >= 1
    assert clerk.get_by_role("link", name="charge INV-7").count() == 1

    # She asks; there is no threshold, so somebody else has to agree.
    ask_to_reverse(clerk)
    assert clerk.locator(".ch-table").inner_text().count("500.00") == 1
    follow(clerk, "button", "Ask for approval")
    assert clerk.get_by_text("It waits for a colleague's approval.").count() == 1
    assert clerk.get_by_role("button", name="Approve").count() == 0
    assert Grant.objects.get(name="Prepaid 2026").balance == Decimal(470)

    # He finds it on his first page, looks at the numbers, approves.
    approver = enter("anna")
    follow(approver, "link", "Corrections waiting for approval")
    approver.locator("#result_list tbody tr th a, #result_list tbody tr td a").first.click()
    approver.wait_for_load_state("networkidle")
    assert "Clara Klein" in approver.locator("#content-main").inner_text()
    approver.fill("#id_text", "Seen in the log of the gateway.")
    approver.get_by_role("button", name="Approve and post 1 entry").click()
    question = approver.get_by_role("dialog", name="Approve and post 1 entry for Acme Robotics?")
    for part in ("Clara Klein asks to reverse", "Prepaid 2026", "30.00 USD", "from 470.00 USD to 500.00 USD"):
        assert part in question.inner_text()
    # Nothing is decided before the answer, and "No" decides nothing.
    question.get_by_role("button", name="No").click()
    assert Grant.objects.get(name="Prepaid 2026").balance == Decimal(470)
    approver.get_by_role("button", name="Approve and post 1 entry").click()
    follow(approver, "button", "Yes", exact=True)
    assert Grant.objects.get(name="Prepaid 2026").balance == Decimal(500)

    # The trail is complete, from the request to the entry and back.
    trail = approver.locator("#content-main").inner_text()
    for shown in ("Posted", "Clara Klein", "Anna Meyer", "The retry of 3 November charged it twice.", "Seen in the log of the gateway."):
        assert shown in trail
    approver.locator(".ch-table tbody tr td:last-child a").click()
    approver.wait_for_load_state("networkidle")
    entry = approver.locator("#content-main").inner_text()
    assert "Reverses" in entry
    assert approver.get_by_role("link", name="Correction …").count() >= 1


def test_the_months_csv_adds_up(enter, book):
    employ("victor", "viewer")
    page = enter("victor", "/admin/billing/transaction/")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(Decimal(row["effect"]) for row in rows) == Wallet.objects.get().balance == Decimal("699.50")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_page_loads_without_an_error(enter, book, scheme):
    employ("all", "clerk", "approver", "operator")
    page = enter("all", scheme=scheme)
    wallet, grant = Wallet.objects.get(), Grant.objects.first()
    for path in (
        "/admin/",
        "/admin/billing/transaction/",
        f"/admin/billing/wallet/{wallet.id}/change/",
        f"/admin/credits/grant/{grant.id}/change/",
        "/admin/corrections/correctionrequest/?box=mine",
        "/admin/tenants/apikey/new-key/",
        "/admin/backoffice/profile/",
        "/admin/backoffice/change/",
    ):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, path


def test_the_palette_opens_by_keyboard_and_finds_an_invoice(enter, book):
    employ("victor", "viewer")
    page = enter("victor")
    page.keyboard.press("Control+k")
    page.locator("#search-input-command").wait_for()
    page.keyboard.type("INV-7")
    page.get_by_role("link", name="charge INV-7").wait_for()


def test_a_new_keys_secret_is_shown_and_then_gone(enter, book):
    employ("olga", "operator")
    page = enter("olga", "/admin/tenants/apikey/")
    follow(page, "link", "New key")
    page.select_option("#id_tenant", label="Acme Robotics")
    follow(page, "button", "Continue")
    page.fill("#id_name", "gateway")
    page.get_by_label("billing:read").check()
    follow(page, "button", "Show what will change")
    follow(page, "button", "New key now")
    secret = page.locator(".ch-secret").first.inner_text()
    assert secret.startswith("ch_")
    follow(page, "link", "I have copied it")
    assert secret not in page.content()


def test_the_printed_statement_adds_up(enter, book):
    employ("victor", "viewer")
    page = enter("victor", f"/admin/billing/wallet/{Wallet.objects.get().id}/statement/")
    assert "699.50" in page.locator("body").inner_text()


def test_what_was_typed_is_filled_in_again_after_a_session_has_ended(enter, book):
    employ("clara", "clerk")
    entry = billing_entry(book)
    page = enter("clara", f"/admin/billing/transaction/{entry.pk}/change/")
    follow(page, "link", "Reverse", exact=True)
    page.select_option("#id_reason_code", "duplicate")
    page.fill("#id_reason", "The retry of 3 November charged it twice.")
    Session.objects.all().delete()
    follow(page, "button", "Show what would be posted")
    page.fill("#id_username", "clara")
    page.fill("#id_password", PASSWORD)
    follow(page, "button", "Log in")
    assert (page.input_value("#id_reason_code"), page.input_value("#id_reason")) == (
        "duplicate",
        "The retry of 3 November charged it twice.",
    )
    assert page.get_by_text("Your session had ended, and nothing was saved.").count() == 1
    follow(page, "button", "Show what would be posted")
    assert page.get_by_text("This entry would be posted").count() == 1
    # It is filled in once, and not in the next form of this kind.
    page.goto(page.url)
    assert page.input_value("#id_reason") == ""


def billing_entry(tenant):
    return Transaction.objects.filter(tenant=tenant, type="charge").get()
