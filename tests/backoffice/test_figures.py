"""Every figure leads to its rows, and the rows add up to it."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.utils import timezone

from backoffice.dashboard import day_sums
from backoffice.models import DaySum
from billing import services as billing
from billing.models import DailyTotal, Wallet
from credits import services as credits
from credits.models import Grant
from kernel.corrections import services as corrections
from kernel.corrections.models import CorrectionRequest
from kernel.corrections.services import CorrectionDraft
from metering import services as metering
from metering.models import Agent, Cost, Rollup, Service
from tests.backoffice.staff_members import employ, log_in
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
WHO = {"actor": "command:test", "request_id": "test"}
LINK = re.compile(r'<a class="ch-link" href="([^"]*figure=[^"]*)">\s*(?:<span class="ch-part">)?(?:<span class="money[^"]*">)?([-+\d,.]+)')
# How the rows of a list add up: the column, and the sign of the figure.
ADDED = {"billing": "effect", "metering/cost": "fiat_amount", "credits/grant": "balance", "corrections/correctionentry": "effect"}


@pytest.fixture
def tenant():
    tenant = TenantFactory(name="Acme")
    context = {"tenant_id": tenant.id, **WHO}
    long_ago, yesterday = timezone.now() - timedelta(days=20), timezone.now() - timedelta(days=1)
    topup = billing.record_transaction(**context, amount=Decimal(500), type="topup", reference_id="top").row
    rows = [
        billing.record_transaction(
            **context, amount=Decimal(amount), type="usage", reference_id=amount, agent_id="bot", occurred_at=when
        ).row
        for amount, when in (("31", None), ("7.5", yesterday), ("100", long_ago))
    ]
    billing.reverse_transaction(**context, transaction_id=rows[0].id, reason_code="duplicate", amount=Decimal(11), reference_id="part")
    billing.reverse_transaction(**context, transaction_id=topup.id, reason_code="duplicate", amount=Decimal(3), reference_id="back")
    billing.record_transaction(**context, amount=Decimal(2), type="adjustment", reference_id="adjusted")
    billing.place_hold(**context, amount=Decimal(7), expires_at=timezone.now() + timedelta(hours=1), reference_id="open")
    its = {"customer_id": "maria", "currency": "USD"}
    facts = {**its, "unit_type": "CURRENCY", "category": "paid"}
    soon = timezone.now().date() + timedelta(days=9)
    credits.create_grant(**context, **facts, name="Prepaid", amount=Decimal(80))
    credits.create_grant(**context, **facts, name="Old", amount=Decimal(20), expiry_date=soon)
    credits.create_grant(
        **context, customer_id="maria", name="Tokens", unit_type="METRIC", metric_id="tokens", currency="USD", amount=Decimal(9)
    )
    credits.consume(**context, **its, amount=Decimal(25), invoice_id="INV-1")
    credits.place_hold(**context, **its, amount=Decimal(5), expires_at=timezone.now() + timedelta(hours=1))
    corrections.set_threshold(tenant_id=tenant.id, actor="staff:0", unit="USD", amount=Decimal(1000))
    credits.create_grant(**context, **facts, name="Late", amount=Decimal(13), expiry_date=soon)
    for kind, name, change in (("credits.adjust", "Prepaid", {"amount": "6"}), ("credits.extend", "Late", {"expiry_date": "2199-01-01"})):
        correct(tenant, kind, Grant.objects.get(name=name).pk, change)
    for amount, estimate, when in (("0.5", True, None), ("1.25", False, None), ("4", False, long_ago)):
        names = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt", "agent_name": "bot", "customer_id": "maria"}
        cost = {"fiat_amount": Decimal(amount), "fiat_asset_symbol": "USD", "is_estimate": estimate}
        row = metering.record_transaction(**context, **names, costs=[cost], occurred_at=when).row
    metering.record_cost(
        **context,
        transaction_id=row["id"],
        fiat_amount=Decimal(5),
        fiat_asset_symbol="USD",
        is_estimate=False,
        supersedes_cost_id=row["costs"][0]["id"],
        idempotency_key="again",
    )
    correct(tenant, "metering.waive", Cost.objects.filter(is_active=True).first().pk, {})
    return tenant


def correct(tenant, kind, row_id, facts):
    draft = CorrectionDraft(tenant.id, kind, (row_id,), facts, "other", "Promised.")
    seen = corrections.preview_correction(actor="staff:1", draft=draft).digest
    corrections.request_correction(actor="staff:1", request_id="r", draft=draft, preview_digest=seen)


def figures_of(html):
    return [(unescape(address), Decimal(text.replace(",", ""))) for address, text in LINK.findall(html)]


def sum_of(response, address):
    assert response.status_code == 200, address
    rows = response.context["cl"].queryset
    if "metering/transaction" in address:
        return Decimal(rows.count())
    if "credits/hold" in address or "billing/wallethold" in address:
        return sum((row.amount - row.captured for row in rows), Decimal(0))
    if "credittransaction" in address:
        return sum((row.amount if row.type == "CREDIT" else -row.amount for row in rows), Decimal(0))
    column = next(column for part, column in ADDED.items() if part in address)
    return sum((getattr(row, column) for row in rows), Decimal(0))


def test_every_figure_leads_to_rows_that_add_up_to_it(tenant):
    foreign = TenantFactory()
    billing.record_transaction(tenant_id=foreign.id, **WHO, amount=Decimal(999), type="usage", reference_id="foreign")
    reader = log_in(employ("vera", "viewer", tenants=[tenant]))
    DaySum.objects.bulk_create(DaySum(**row) for row in day_sums.day_rows(timezone.now().date()))
    assert {day.figure for day in DaySum.objects.filter(tenant=tenant)} == set(DaySum.FigureName)
    agent, service, rollup = Agent.objects.get(), Service.objects.get(), Rollup.objects.filter(grain="day", amount__gt=0).first()
    total = DailyTotal.objects.filter(debits__gt=0, type="usage").first()
    pages = {
        "/admin/": 25,
        "/admin/?clock=book": 20,
        f"/admin/customers/customer/?tenant={tenant.id}&id=maria": 6,
        f"/admin/metering/agent/{agent.pk}/change/": 10,
        f"/admin/metering/service/{service.pk}/change/": 10,
        f"/admin/metering/rollup/{rollup.pk}/change/": 1,
        f"/admin/billing/dailytotal/{total.pk}/change/": 1,
        f"/admin/billing/wallet/{Wallet.objects.get(tenant=tenant).pk}/change/": 2,
        # What the sentence says of the account, what it moves, and what else the requester moved that day, each and in all.
        **{f"/admin/corrections/correctionrequest/{request.pk}/change/": 5 for request in CorrectionRequest.objects.all()},
        "/admin/corrections/correctionrequest/": 3,
        **{f"/admin/backoffice/daysum/{day.pk}/change/": 1 for day in DaySum.objects.filter(tenant=tenant)},
    }
    wrong = {}
    for page, at_least in pages.items():
        found = figures_of(reader.get(page).content.decode())
        assert len(found) >= at_least, (page, len(found))
        for address, figure in found:
            rows = sum_of(reader.get(address), address)
            if abs(rows) != abs(figure):
                wrong[page, address] = (figure, rows)
    assert wrong == {}


def test_the_sum_below_a_list_of_holds_is_what_they_still_reserve_as_their_figures_say(office):
    context = {"tenant_id": TenantFactory().id, **WHO}
    until = timezone.now() + timedelta(hours=1)
    billing.record_transaction(**context, amount=Decimal(100), type="topup", reference_id="first")
    hold = billing.place_hold(**context, amount=Decimal(7), expires_at=until, reference_id="open").row
    billing.capture_hold(**context, hold_id=hold.id, amount=Decimal(2), final=False, reference_id="part")
    ended = billing.place_hold(**context, amount=Decimal(50), expires_at=until, reference_id="ended").row
    billing.release_hold(**context, hold_id=ended.id)
    html = office.get("/admin/billing/wallethold/").content.decode()
    assert "5.00 <span>USD</span></span> still reserved" in html


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "[]",
        "{}",
        '{"name":1}',
        '{"name":"nothing"}',
        '{"name":"billed","clock":"book","since":"9999-99-99"}',
        '{"name":"billed","since":"2026-01-01"}',
    ],
)
def test_a_figure_that_makes_no_sense_is_removed(tenant, value):
    reader = log_in(employ("vera", "viewer"))
    assert reader.get("/admin/billing/transaction/", {"figure": value}, follow=True).status_code == 200


def test_an_agent_is_switched_off_and_on_again_from_its_page(tenant):
    agent = Agent.objects.get()
    page, operator = f"/admin/metering/agent/{agent.pk}/change/", log_in(employ("olga", "operator"))
    for verb, other, status in (("switch-off", "switch-on", "inactive"), ("switch-on", "switch-off", "active")):
        shown = operator.get(page).content.decode()
        assert (f"/{verb}/" in shown, f"/{other}/" in shown) == (True, False)
        confirmation = operator.post(page.replace("change", verb), {"step": "preview"}).content.decode()
        standing = confirmation.split('name="standing" value="')[1].split('"')[0]
        operator.post(page.replace("change", verb), {"step": "confirm", "standing": standing})
        agent.refresh_from_db()
        assert agent.status == status
    assert "/switch-off/" not in log_in(employ("clara", "clerk")).get(page).content.decode()
