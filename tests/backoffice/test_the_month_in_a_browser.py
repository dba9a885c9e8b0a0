"""A month's work in a real browser, as clerk, approver and operator: with the browser's back button, with reloads, and on paper."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from backoffice.models import Change
from billing import services as billing
from billing.models import Policy, Transaction, Wallet
from credits import services as credits
from credits.models import CreditTransaction, Grant
from kernel.corrections.models import CorrectionRequest
from tests.backoffice.staff_members import employ
from tests.backoffice.test_a_correction_in_a_browser import enter, follow  # noqa: F401 - a fixture
from tests.backoffice.test_pages_in_a_browser import brightness, style
from tests.factories import TenantFactory

WHO = {"actor": "command:test", "request_id": "test"}


@pytest.fixture
def book(transactional_db):
    tenant = TenantFactory(name="Acme Robotics")
    context = {"tenant_id": tenant.id, **WHO}
    for number in range(3):
        billing.record_transaction(**context, amount=Decimal(100 + number), type="topup", reference_id=f"TOP-{number}")
    ends = (datetime.now(UTC) + timedelta(days=3)).date()
    facts = {"customer_id": "cust-7", "unit_type": "CURRENCY", "currency": "USD", "expiry_date": ends}
    credits.create_grant(**context, **facts, name="Welcome credit", amount=Decimal(100))
    credits.consume(**context, customer_id="cust-7", amount=Decimal(30), currency="USD", invoice_id="INV-7")
    employ("clara", "clerk", first_name="Clara", last_name="Klein")
    employ("anna", "approver", first_name="Anna", last_name="Meyer")
    employ("olga", "operator", first_name="Olga", last_name="Ortiz")
    return tenant


def back(page):
    page.go_back(wait_until="load")
    page.wait_for_load_state("networkidle")


def ask_to_extend(page, grant):
    """From the grant's page to the preview. Returns the last day that is asked for."""
    later = (datetime.now(UTC) + timedelta(days=90)).date()
    page.goto(f"/admin/credits/grant/{grant.pk}/change/")
    follow(page, "link", "Extend")
    page.fill("#id_expiry_date", f"{later}")
    page.select_option("#id_reason_code", "goodwill")
    page.fill("#id_reason", "The customer could not use it in time.")
    follow(page, "button", "Show what would be posted")
    return later


def test_a_grant_is_extended_by_two_people_and_going_back_or_reloading_doubles_nothing(enter, book):  # noqa: F811
    grant = Grant.objects.get()
    clerk = enter("clara")
    later = ask_to_extend(clerk, grant)
    follow(clerk, "button", "Ask for approval")
    asked = clerk.url
    clerk.reload(wait_until="networkidle")
    assert clerk.url == asked
    # The page that was left shows the form for this grant again, and beside it the request that waits.
    back(clerk)
    assert clerk.get_by_role("button", name="Show what would be posted").count() == 1
    request = CorrectionRequest.objects.get()
    assert clerk.get_by_role("link", name=f"Correction {str(request.pk)[-8:]}").count() == 1

    approver = enter("anna", f"/admin/corrections/correctionrequest/{request.pk}/change/")
    approver.keyboard.press("a")
    approver.get_by_role("button", name="Yes").wait_for()
    approver.keyboard.press("Enter")
    approver.get_by_text("Approved. Posted.").wait_for()
    approver.reload(wait_until="networkidle")
    back(approver)
    approver.reload(wait_until="networkidle")
    assert approver.get_by_role("button", name="Approve").count() == 0
    extended = Grant.objects.exclude(pk=grant.pk).get()
    assert (extended.balance, extended.expiry_date) == (Decimal(70), later)
    # The opening and the draw, and what was posted now: the old grant's end, and the new one's opening.
    assert CreditTransaction.objects.count() == 4


def test_a_second_approval_from_a_page_that_was_kept_open_posts_nothing_more(enter, book):  # noqa: F811
    clerk = enter("clara")
    ask_to_extend(clerk, Grant.objects.get())
    follow(clerk, "button", "Ask for approval")
    address = f"/admin/corrections/correctionrequest/{CorrectionRequest.objects.get().pk}/change/"
    first, second = enter("anna", address), enter("anna", address)
    for page in (first, second):
        page.keyboard.press("a")
        page.get_by_role("button", name="Yes").wait_for()
    first.keyboard.press("Enter")
    first.get_by_text("Approved. Posted.").wait_for()
    posted = CreditTransaction.objects.count()
    second.keyboard.press("Enter")
    second.get_by_text("decided").first.wait_for()
    assert CreditTransaction.objects.count() == posted


def test_a_rejection_asks_for_its_reason_posts_nothing_and_the_clerk_reads_why(enter, book):  # noqa: F811
    grant = Grant.objects.get()
    clerk = enter("clara")
    ask_to_extend(clerk, grant)
    follow(clerk, "button", "Ask for approval")
    request, posted = CorrectionRequest.objects.get(), CreditTransaction.objects.count()
    approver = enter("anna", f"/admin/corrections/correctionrequest/{request.pk}/change/")
    # Without a reason the key goes to the field of the reason, and asks nothing.
    approver.keyboard.press("r")
    assert approver.evaluate("document.activeElement.id") == "id_text"
    assert approver.get_by_role("button", name="Yes").count() == 0
    # Nor does a click decide without a reason, and the field's complaint doesn't stop an approval.
    approver.get_by_role("button", name="Reject").click()
    assert approver.locator("dialog[open]").count() == 0
    approver.get_by_role("button", name="Approve").click()
    approver.get_by_role("dialog", name="Approve and post").get_by_role("button", name="No").click()
    assert approver.evaluate("document.querySelector('.ch-decision').checkValidity()")
    approver.locator("#id_text").focus()
    approver.keyboard.type("He had ninety days to use it.")
    approver.locator("#id_text").blur()
    approver.keyboard.press("r")
    approver.get_by_role("dialog", name="Reject the request for Acme Robotics?").wait_for()
    approver.get_by_role("button", name="Yes").click()
    approver.wait_for_load_state("networkidle")
    approver.reload(wait_until="networkidle")
    assert approver.get_by_role("button", name="Approve").count() == 0
    request.refresh_from_db()
    assert (request.state, CreditTransaction.objects.count()) == ("rejected", posted)
    assert Grant.objects.get().expiry_date == grant.expiry_date
    clerk.reload(wait_until="networkidle")
    shown = clerk.locator("#content-main").inner_text()
    for part in ("Rejected", "Anna Meyer", "He had ninety days to use it."):
        assert part in shown


def test_a_setting_is_carried_to_its_end_and_its_history_says_by_whom(enter, book):  # noqa: F811
    page = enter("olga", f"/admin/billing/policy/set-policy/?tenant={book.id}")
    page.fill("#id_near_duplicate_seconds", "30")
    follow(page, "button", "Show what will change")
    assert "30" in page.locator(".ch-table").inner_text()
    follow(page, "button", "Edit", exact=True)
    page.fill("#id_near_duplicate_seconds", "45")
    follow(page, "button", "Show what will change")
    page.locator("button[value=confirm]").click()
    page.wait_for_load_state("networkidle")
    page.reload(wait_until="networkidle")
    shown = page.locator("#content").inner_text()
    back(page)
    assert page.input_value("#id_near_duplicate_seconds") == "45"
    assert (Policy.objects.get().near_duplicate_seconds, Change.objects.filter(table="billing_policy").count()) == (45, 1)
    assert "45" in shown
    page.goto(f"/admin/billing/policy/{Policy.objects.get().pk}/change/")
    history = page.locator("#content").inner_text()
    assert "Olga Ortiz" in history


def test_a_list_is_walked_through_by_keys_and_the_back_button_returns_to_it(enter, book):  # noqa: F811
    page = enter("clara", "/admin/billing/transaction/")
    order = [row.reference_id for row in Transaction.objects.order_by("-created_at", "-id")]

    def chosen():
        return page.locator("#result_list tr.ch-chosen").inner_text()

    for key, reference in zip("jjjjkk", [order[0], order[1], order[2], order[2], order[1], order[0]], strict=True):
        page.keyboard.press(key)
        assert reference in chosen()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/change/**")
    assert order[1] in page.locator("#content").inner_text()
    back(page)
    page.keyboard.press("j")
    assert order[0] in chosen()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_statement_follows_the_theme_on_the_screen_and_is_white_on_paper(enter, book, scheme):  # noqa: F811
    page = enter("clara", f"/admin/billing/wallet/{Wallet.objects.get().pk}/statement/", scheme=scheme)

    def is_dark():
        paper, ink = brightness(style(page, "body", "backgroundColor")), brightness(style(page, "td", "color"))
        assert abs(paper - ink) > 125
        return paper < ink

    assert is_dark() == (scheme == "dark")
    page.emulate_media(media="print")
    assert not is_dark()
    page.emulate_media(media="screen")
    for theme in ("dark", "light", "auto"):
        # What Unfold keeps of the choice that is made in the office.
        page.evaluate("theme => localStorage.setItem('adminTheme', JSON.stringify(theme))", theme)
        page.reload(wait_until="networkidle")
        assert is_dark() == (theme == "dark" or (theme == "auto" and scheme == "dark"))
    assert page.pdf().startswith(b"%PDF")


def test_a_page_of_the_office_that_is_dark_on_the_screen_is_printed_in_dark_ink_and_is_dark_again(enter, book):  # noqa: F811
    page = enter("clara", scheme="dark")
    page.goto(f"/admin/customers/statement/?tenant={book.id}&id=cust-7")
    for media, is_dark in (("screen", True), ("print", False), ("screen", True)):
        page.emulate_media(media=media)
        page.wait_for_function("dark => document.documentElement.classList.contains('dark') === dark", arg=is_dark)
