"""Every page of the office in a real browser, in light and in dark: axe-core finds nothing serious, the keyboard alone is enough, and a
phone shows each page, with all its amounts, without sideways scrolling."""

import re
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from backoffice.models import Customer
from billing.models import Transaction, Wallet
from billing.services import record_transaction
from config.pages.error_handlers import server_error
from credits.models import Grant
from credits.services import create_grant
from kernel.corrections.models import CorrectionRequest
from kernel.ledger.base_models import LedgerRow
from metering.models import Agent
from metering.services import record_transaction as record_call
from tests import npm_packages
from tests.backoffice.full_book import fill_every_table
from tests.backoffice.staff_members import employ
from tests.backoffice.test_every_page import WITH_PAGES, list_of
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db(transaction=True)
AXE = {"axe-core": "4.14.1"}
# What WCAG 2.1 AA asks for, and the best practices on landmarks, headings and skip links.
RUN = """async (dark) => {
    document.documentElement.classList.toggle('dark', dark);
    const only = dark ? {runOnly: {type: 'rule', values: ['color-contrast']}} : {};
    const {violations} = await axe.run(document, {...only, resultTypes: ['violations']});
    return violations.filter(each => ['serious', 'critical'].includes(each.impact) || %s.includes(each.id))
        .flatMap(each => each.nodes.map(node => `${each.id}: ${node.html.replace(/[0-9a-f-]{36}/g, '…').slice(0, 160)}`));
}""" % ["bypass", "landmark-one-main", "region", "page-has-heading-one", "skip-link", "empty-table-header"]

# What sticks out of a page, and amounts that end out of sight, also within a box that scrolls sideways.
OUT_OF_SIGHT = """() => {
    const sticksOut = document.scrollingElement.scrollWidth > innerWidth ? ['the page scrolls sideways'] : [];
    const hidden = [...document.querySelectorAll('.money, .amount')].filter(amount => {
        const [{left, right}, box] = [amount.getBoundingClientRect(), amount.closest('.ch-scroll, .ch-results, .scroll')];
        const edge = Math.min(innerWidth, box ? box.getBoundingClientRect().right : innerWidth);
        return amount.checkVisibility() && (left < -1 || right > edge + 1);
    });
    return [...sticksOut, ...hidden.map(amount => `out of sight: ${amount.textContent}`)];
}"""
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def axe():
    folder = npm_packages.install("axe", AXE, not_tried="THE PAGES WERE NOT TRIED WITH AXE")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def book(transactional_db, boss):
    tenant = TenantFactory(name="Acme")
    fill_every_table(tenant, boss)
    who = {"tenant_id": tenant.id, "actor": "command:test", "request_id": "test"}
    record_transaction(**who, amount=Decimal("12345678901.123456789012345678"), type="topup", reference_id="x" * 80)
    names = {"service_name": "model", "action_name": "a", "resource_name": "r", "agent_name": "invoice-reconciliation-agent-" * 3}
    record_call(**who, **names, costs=[])
    unit = {"unit_type": "METRIC", "currency": "USD", "metric_id": "tokens_of_the_largest_model"}
    create_grant(**who, customer_id="maria", name="Tokens", amount=Decimal(12345678901), **unit)
    return tenant


@pytest.fixture
def signed_in(visit, live_server, boss):
    """A page of the superuser, or of somebody else, at the address."""

    def signed_in(path, user=boss, **more):
        client = Client()
        client.force_login(user)
        page = visit("/", **more)
        page.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        page.goto(path)
        return page

    return signed_in


def addresses(tenant):
    rows = []
    for model in WITH_PAGES:
        rows += [f"{list_of(model)}{'?window=all' if issubclass(model, LedgerRow) else ''}"]
        rows += [f"{list_of(model)}{model._base_manager.first().pk}/change/"]
    customer, grant, entry = Customer.objects.get(), Grant.objects.first(), Transaction.objects.filter(type="usage").first()
    its = urlencode({"tenant": tenant.id, "id": "maria"})
    ask = reverse("admin:corrections_correctionrequest_new")
    forms = [f"{ask}?kind=backoffice.grant&row={customer.pk}", f"{ask}?kind=credits.void&row={grant.pk}"]
    forms += [f"{list_of(Wallet)}{Wallet.objects.first().pk}/{name}/" for name in ("set-floor", "statement")]
    forms += [f"{list_of(Agent)}{Agent.objects.first().pk}/switch-off/", f"/admin/rules/spendingrule/new-rule/?tenant={tenant.id}"]
    forms += [
        f"/admin/metering/policy/set-policy/?tenant={tenant.id}",
        "/admin/tenants/apikey/new-key/",
        "/admin/backfills/backfillupload/new-file/",
    ]
    pages = ["/admin/", "/admin/customers/", f"/admin/customers/customer/?{its}", f"/admin/customers/statement/?{its}"]
    pages += ["/admin/backoffice/profile/", f"{list_of(Transaction)}{entry.pk}/change/", "/"]
    return [*pages, *forms, *rows]


def out_of_sight(page):
    """What is out of sight. Charts get their new size a moment after the window has changed, so what is found is looked for again."""
    if page.evaluate(OUT_OF_SIGHT):
        page.wait_for_timeout(1000)
        return page.evaluate(OUT_OF_SIGHT)
    return []


def test_axe_finds_nothing_serious_on_any_page_in_light_and_dark_and_a_phone_shows_it_all(signed_in, axe, book):
    page = signed_in("/admin/")
    wrong = {}
    for path in addresses(book):
        page.goto(path, wait_until="load")
        page.evaluate(axe)
        for dark in (False, True):
            for found in page.evaluate(RUN, dark):
                wrong.setdefault(found, []).append(f"{path}{' dark' if dark else ''}")
        page.set_viewport_size(PHONE)
        for found in out_of_sight(page):
            wrong.setdefault(found, []).append(f"{path} on a phone")
        page.set_viewport_size(DESKTOP)
    assert not wrong, "\n".join(f"{found}\n    {len(paths)}: {paths[:3]}" for found, paths in wrong.items())


def error_pages():
    """Pages that a browser notes as errors of its own, so the test shows their text instead of asking for them."""
    nobody = Client()
    nobody.force_login(employ("norah"))
    request = RequestFactory().get("/admin/")
    texts = [nobody.get(path).content.decode() for path in ("/admin/billing/transaction/", "/admin/nothing/", "/nothing")]
    return [*texts, server_error(request).content.decode()]


def test_pages_of_errors_are_as_accessible(signed_in, axe, book):
    page = signed_in("/admin/")
    page.goto("/")
    for text in error_pages():
        assert 'class="status"' in text
        page.set_content(text)
        page.evaluate(axe)
        for dark in (False, True):
            page.emulate_media(color_scheme="dark" if dark else "light")
            assert page.evaluate(RUN, False) == []


def test_a_request_is_found_read_and_approved_by_keys_alone_and_no_key_fires_while_typing(signed_in, book):
    approver = employ("anna", "approver")
    correction = CorrectionRequest.objects.get()
    page = signed_in("/admin/", user=approver)
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**box=to_approve")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{correction.pk}/change/**")
    page.keyboard.press("r")
    assert page.evaluate("document.activeElement.id") == "id_text"
    page.keyboard.type("a?rj g")
    assert page.locator("dialog[open]").count() == 0
    assert page.input_value("#id_text") == "a?rj g"
    page.locator("#id_text").blur()
    page.keyboard.press("a")
    page.get_by_role("dialog", name=re.compile("Approve and post")).wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.get_by_role("button", name="Yes").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("Approved. Posted.").wait_for()
    correction.refresh_from_db()
    assert (correction.state, correction.decided_by) == ("posted", f"staff:{approver.pk}")
    page.keyboard.press("Tab")
    page.goto("/admin/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "ch-skip"
