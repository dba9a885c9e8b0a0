"""The first page: sums that are right, for the tenants that the reader may see, and what waits for somebody."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client

from backoffice.dashboard import day_sums
from backoffice.integrity.runs import save_integrity_run
from backoffice.models import ClosedDay, DaySum, KeptDuplicate
from billing import services as billing
from billing.models import Transaction
from credits import services as credits
from credits.correction_kinds import MOVED
from kernel.corrections import services as corrections
from kernel.corrections.services import CorrectionDraft
from kernel.events.models import Endpoint
from kernel.events.services.endpoints import create_endpoint
from kernel.tenants.models import StaffProfile, StaffTenant
from metering.services import record_cost, record_transaction
from tests.backoffice.staff_members import employ, log_in
from tests.backoffice.test_settings import change
from tests.factories import TenantFactory

WHO = {"actor": "command:test", "request_id": "test"}


@pytest.fixture(autouse=True)
def no_cached_figures():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def viewer(db):
    return employ("victor", "viewer")


@pytest.fixture
def look(viewer):
    client = Client()
    client.force_login(viewer)

    def look(**query):
        response = client.get("/admin/", query)
        assert response.status_code == 200
        return response

    return look


@pytest.fixture
def tenant(db):
    return TenantFactory(name="Acme Robotics")


def charge(tenant, amount, *, days_ago=0, reference_id="x", type="usage"):
    return billing.record_transaction(
        tenant_id=tenant.id,
        **WHO,
        amount=Decimal(amount),
        type=type,
        reference_id=reference_id,
        occurred_at=datetime.now(UTC) - timedelta(days=days_ago),
    ).row


def figures(response):
    """The amounts of each line as plain text, by its name."""

    def plain(cell):
        return " ".join(re.sub("<[^>]*>", "", str(part)) for part in cell)

    return {name: [plain(cell) for _, cell in cells] for name, cells in response.context["figures"]}


def test_empty_books_say_what_to_do(look):
    response = look()
    assert response.context["is_empty"]
    assert "send the first call" in response.content.decode()


def test_billed_money_counts_in_the_spans_it_falls_in(look, tenant):
    charge(tenant, "1.50", reference_id="a")
    charge(tenant, "10", days_ago=3, reference_id="b")
    charge(tenant, "100", days_ago=20, reference_id="c")
    charge(tenant, "1000", days_ago=45, reference_id="d")
    assert figures(look())["Billed"] == ["1.50 USD", "11.50 USD", "111.50 USD"]


def test_figures_are_net_of_reversals_and_corrections_have_their_own(look, tenant):
    """By either clock: what was billed yesterday and booked today is of today by book time."""
    context = {"tenant_id": tenant.id, **WHO}
    topup = charge(tenant, "500", type="topup", reference_id="top")
    charge(tenant, "7.50", reference_id="a", days_ago=1)
    wrong, partly = charge(tenant, "7350.25", reference_id="b"), charge(tenant, "10", reference_id="c")
    billing.reverse_transaction(**context, transaction_id=wrong.id, reason_code="duplicate")
    billing.reverse_transaction(**context, transaction_id=partly.id, reason_code="other", amount=Decimal(4), reference_id="part")
    billing.reverse_transaction(**context, transaction_id=topup.id, reason_code="other")
    charge(tenant, "-3", type="adjustment", reference_id="d")
    grant = credits.create_grant(**context, customer_id="c", name="g", unit_type="CURRENCY", currency="USD", amount=Decimal(100))
    its = {**context, "grant_id": grant.row.id}
    credits.record_transaction(**its, type="DEBIT", amount=Decimal(30))
    taken = credits.record_transaction(**its, type="DEBIT", amount=Decimal(20))
    credits.reverse_transaction(**context, transaction_id=taken.row.id, reason="no", idempotency_key="r")
    credits.record_transaction(**its, type="CREDIT", amount=Decimal(7))
    key = f"correction:{grant.row.id}:{grant.row.id}"
    for suffix, amount in (("", 2), (MOVED, 1)):
        by_staff = its | {"actor": "staff:1", "idempotency_key": f"{key}{suffix}"}
        credits.record_transaction(**by_staff, type="DEBIT", amount=Decimal(amount))
    credit = {"Credit granted": "100.00 USD", "Credit consumed": "31.00 USD", "Credit adjusted": "5.00 USD"}
    for clock, today in (("world", "6.00 USD"), ("book", "13.50 USD")):
        response = look(clock=clock)
        found = figures(response)
        assert found["Billed"] == [today, "13.50 USD", "13.50 USD"]
        assert found["Wallets adjusted"][0] == "-3.00 USD"
        assert {name: found[name][0] for name in credit} == credit
        assert ("the time it was booked" if clock == "book" else "the time it happened") in response.content.decode()


def test_who_has_no_role_or_no_tenant_sees_no_money_and_is_told_why(tenant):
    charge(tenant, "5")
    for name, roles, said in (("norah", [], "You have no role yet"), ("newt", ["viewer"], "You see no tenant yet")):
        response = log_in(employ(name, *roles, tenants=[])).get("/admin/")
        assert said in response.content.decode()
        assert all(not any(cells) for cells in figures(response).values())
    nobody = log_in(employ("olaf")).get("/admin/")
    assert (nobody.context["figures"], nobody.context["outstanding"], nobody.context["charts"]) == ([], [], [])


def test_metered_cost_is_split_into_actual_and_estimated(look, tenant):
    def meter(amount, **given):
        cost = {"fiat_amount": Decimal(amount), "fiat_asset_symbol": "USD", "is_estimate": True}
        return record_transaction(
            tenant_id=tenant.id, **WHO, service_name="s", action_name="a", resource_name="r", costs=[cost], **given
        ).row

    meter("1")
    row = meter("5", agent_name="bot")
    context = {"tenant_id": tenant.id, **WHO, "transaction_id": row["id"], "supersedes_cost_id": row["costs"][0]["id"]}
    record_cost(**context, fiat_amount=Decimal("4.25"), fiat_asset_symbol="USD", is_estimate=False)
    response = look()
    assert figures(response)["Metered cost, actual"][0] == "4.25 USD"
    assert figures(response)["Metered cost, estimated"][0] == "1.00 USD"
    assert "bot" in response.content.decode()


def test_the_amount_of_a_service_that_two_tenants_have_leads_to_the_costs_of_both(tenant):
    for each, amount in ((tenant, "1"), (TenantFactory(), "2.5")):
        cost = {"fiat_amount": Decimal(amount), "fiat_asset_symbol": "USD", "is_estimate": False}
        facts = {"service_name": "shared", "action_name": "a", "resource_name": "r", "costs": [cost]}
        record_transaction(tenant_id=each.id, **WHO, **facts)
    staff = log_in(employ("vera", "viewer"))
    charts = staff.get("/admin/").context["charts"]
    [bar] = next(chart for chart in charts if chart["title"] == "Metered cost by service")["bars"]
    assert not bar.get("url")
    assert "3.50 <span>USD</span>" in staff.get(bar["rows"]).content.decode()


@pytest.fixture
def grant(tenant):
    return credits.create_grant(
        tenant_id=tenant.id,
        **WHO,
        customer_id="cust-1",
        name="Prepaid",
        unit_type="CURRENCY",
        currency="USD",
        amount=Decimal(100),
        expiry_date=datetime.now(UTC).date() + timedelta(days=10),
    ).row


def test_credit_granted_consumed_standing_and_expiring(look, tenant, grant):
    taken = credits.consume(tenant_id=tenant.id, **WHO, customer_id="cust-1", amount=Decimal(30), currency="USD", invoice_id="INV-1")
    assert taken
    its = {"customer_id": "cust-1", "currency": "USD"}
    credits.place_hold(tenant_id=tenant.id, **WHO, **its, amount=Decimal(20), expires_at=datetime.now(UTC) + timedelta(hours=1))
    response = look()
    amounts = figures(response)
    assert (amounts["Credit granted"][0], amounts["Credit consumed"][0]) == ("100.00 USD", "30.00 USD")
    standing = {name: str(amounts[0]) for name, amounts, _ in response.context["outstanding"]}
    assert "20.00" in standing.pop("Held")
    assert all("70.00" in amount for amount in standing.values())
    assert "cust-1" in response.content.decode()


def test_a_day_that_is_over_is_summed_once_and_equals_the_book(tenant, grant, monkeypatch):
    today = datetime.now(UTC).date()
    tomorrow = today + timedelta(days=1)
    monkeypatch.setattr(day_sums.timezone, "now", lambda: datetime.now(UTC) + timedelta(days=1, minutes=30))
    live = day_sums.total(day_sums.day_rows(today), figure="granted", since=today)
    assert day_sums.close_days(today=tomorrow) == day_sums.DAYS - 1
    assert day_sums.close_days(today=tomorrow) == 0
    assert ClosedDay.objects.latest("day").day == today
    closed, missing = day_sums.by_day(since=today, today=tomorrow, tenant_ids=None)
    assert day_sums.total(closed, figure="granted", since=today) == live == {"USD": Decimal(100)}
    assert missing == 0


def test_a_day_is_not_closed_before_the_last_posting_of_it_can_have_landed(db, monkeypatch):
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    monkeypatch.setattr(day_sums.timezone, "now", lambda: midnight + timedelta(minutes=5))
    day_sums.close_days(today=date(2026, 3, 2))
    assert not ClosedDay.objects.filter(day=date(2026, 3, 1)).exists()
    assert not DaySum.objects.filter(day=date(2026, 3, 1)).exists()


def test_the_page_sums_no_past_days_and_says_how_many_are_missing(look, tenant, grant):
    assert "28 days of what was booked before are not summed yet" in look().content.decode()
    assert not ClosedDay.objects.exists()
    call_command("close_days")
    cache.clear()
    assert "not summed yet" not in look().content.decode()


def test_yesterday_is_on_the_page_before_the_job_has_summed_it(tenant, grant, monkeypatch):
    today = datetime.now(UTC).date()
    rows, _ = day_sums.by_day(since=today, today=today + timedelta(days=1), tenant_ids=None)
    assert day_sums.total(rows, figure="granted", since=today) == {"USD": Decimal(100)}


def test_who_is_limited_to_some_tenants_sees_the_sums_of_those(look, viewer, tenant):
    charge(tenant, "5")
    charge(TenantFactory(), "1000")
    StaffProfile.objects.filter(user=viewer).update(sees_all_tenants=False)
    assert figures(look())["Billed"] == ["", "", ""]
    StaffTenant.objects.create(profile=viewer.profile, tenant=tenant)
    assert figures(look())["Billed"][0] == "5.00 USD"


def test_what_waits_is_named_with_its_list(look, tenant):
    charge(tenant, "5", reference_id="a")
    charge(tenant, "5", reference_id="b")
    draft = CorrectionDraft(tenant.id, "billing.reverse", (charge(tenant, "7", reference_id="c").id,), {}, "other", "Wrong.")
    corrections.request_correction(
        actor="staff:0", request_id="", draft=draft, preview_digest=corrections.preview_correction(actor="staff:0", draft=draft).digest
    )
    response = look()
    alerts = {alert.title: alert for alert in response.context["alerts"]}
    assert {title: alert.count for title, alert in alerts.items()} == {
        "Corrections waiting for approval": 1,
        "Near-duplicate charges": 1,
    }
    client = response.client
    for alert in alerts.values():
        assert len(client.get(alert.url).context["cl"].result_list) == alert.count


def test_an_alert_that_goes_by_age_leads_to_a_list_that_does_too(look, tenant):
    names = {"service_name": "s", "action_name": "a", "resource_name": "r"}
    cost = {"fiat_amount": Decimal(1), "fiat_asset_symbol": "USD", "is_estimate": True}
    for days_ago in (0, 9, 10):
        happened = datetime.now(UTC) - timedelta(days=days_ago)
        record_transaction(tenant_id=tenant.id, **WHO, **names, costs=[cost], occurred_at=happened)
    older = datetime.now(UTC) - timedelta(days=2)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_transaction DISABLE TRIGGER USER")
        cursor.execute("UPDATE metering_transaction SET created_at = %s WHERE occurred_at < %s", [older, older])
        cursor.execute("ALTER TABLE metering_transaction ENABLE TRIGGER USER")
    for host, failing in (("a", timedelta(minutes=5)), ("b", timedelta(hours=2))):
        keys = {"tenant_id": tenant.id, "actor": "x", "request_id": ""}
        endpoint = create_endpoint(**keys, url=f"https://{host}.example.com/", enabled_events=["billing.*"])
        Endpoint.objects.filter(pk=endpoint.row.pk).update(first_failure_at=datetime.now(UTC) - failing)
    response = look()
    alerts = {alert.title: alert for alert in response.context["alerts"]}
    wanted = {"Estimates without an actual cost": 2, "Stale authorized calls": 2, "Webhook endpoints that fail": 1}
    assert {title: alert.count for title, alert in alerts.items()} == wanted
    assert {title: len(response.client.get(alert.url).context["cl"].result_list) for title, alert in alerts.items()} == wanted


def test_a_near_duplicate_is_kept_with_a_reason_and_leaves_the_list(look, tenant):
    charge(tenant, "5", reference_id="a")
    row = charge(tenant, "5", reference_id="b")
    clerk = log_in(employ("clara", "clerk"))
    page = f"/admin/billing/transaction/{row.id}"
    assert "Keep: no duplicate" not in look().client.get(f"{page}/change/").content.decode()
    assert "Keep: no duplicate" in clerk.get(f"{page}/change/").content.decode()
    change(clerk, f"billing/transaction/{row.id}/keep-duplicate", reason="Two orders of the same size.")
    html = clerk.get(f"{page}/change/").content.decode()
    assert ("Two orders of the same size." in html, "keep-duplicate" in html) == (True, False)
    assert look().context["alerts"] == []
    lists = [clerk.get(f"/admin/billing/transaction/?flag={flag}&window=all") for flag in ("near_duplicate", "kept", "any")]
    assert [len(each.context["cl"].result_list) for each in lists] == [0, 1, 1]


def test_near_duplicates_are_kept_together_or_one_after_the_other(tenant):
    foreign = TenantFactory(name="Beta")
    for owner, count in ((tenant, 3), (foreign, 2)):
        for number in range(count):
            charge(owner, "5", reference_id=f"d{number}")
    first, second, third = Transaction.objects.exclude(flags=[]).order_by("-id")
    clerk = log_in(employ("clara", "clerk"))
    # After one decision comes the next one.
    assert str(second.id) in change(clerk, f"billing/transaction/{first.id}/keep-duplicate", reason="Fine.")["Location"]
    # Several get one reason; the list keeps its filter.
    here = "/admin/billing/transaction/?flag=near_duplicate&window=all"
    chosen = {"action": "keep_selected", "_selected_action": [str(row.id) for row in (first, second, third)]}
    shown = clerk.post(here, chosen)
    assert (len(shown.context["rows"]), shown.context["left_out"], KeptDuplicate.objects.count()) == (2, 1, 1)
    assert "required" in clerk.post(here, {**chosen, "reason": " "}).content.decode()
    assert clerk.post(here, {**chosen, "reason": "Monthly fees."})["Location"] == here
    assert sorted(KeptDuplicate.objects.values_list("reason", flat=True)) == ["Fine.", "Monthly fees.", "Monthly fees."]
    viewer = log_in(employ("vera2", "viewer"))
    viewer.post(here, {**chosen, "reason": "No."})
    assert KeptDuplicate.objects.count() == 3
    # A correction is of one tenant: each has a form with what was selected of it.
    here = "/admin/billing/transaction/?flag=any&window=all"
    sent = clerk.post(here, {"action": "correct_billing.reverse", "_selected_action": [str(first.id), str(third.id)]})
    assert sent["Location"] == here
    shown = [str(message) for message in clerk.get(here).context["messages"]]
    assert all(f"row={row.id}" in shown[-1] for row in (first, third)), shown


@pytest.mark.parametrize(
    "query",
    [
        "corrections/correctionrequest/?box=to_approve",
        "billing/transaction/?flag=near_duplicate&window=all",
        "metering/transaction/?waits=day&window=all",
        "metering/rollup/?grain__exact=day&estimates=overdue",
        "backfills/backfillupload/?box=to_approve",
        "events/delivery/?due=replay",
        "events/endpoint/?health=failing_long",
        "backfills/backfillrun/?state__exact=interrupted",
    ],
)
def test_no_list_that_the_page_leads_to_is_a_dead_end(client, viewer, query):
    client.force_login(viewer)
    assert client.get(f"/admin/{query}").status_code == 200


def test_the_page_costs_the_same_with_few_rows_and_with_many(look, tenant, django_assert_max_num_queries):
    for number in range(15):
        charge(tenant, "5", reference_id=str(number), type=f"type-{number}")
    look()
    cache.clear()
    with django_assert_max_num_queries(34):
        look()


def test_a_ledger_check_that_failed_waits_until_the_next_one_finds_nothing(look, db):
    check = {"check": "billing balances", "seconds": 0.1, "violations": [{"wallet": "x"}]}
    save_integrity_run(tenant_id=None, ledgers=["billing"], checks=[check])
    [alert] = look().context["alerts"]
    assert (alert.title, alert.count) == ("A ledger check failed", 1)
    assert "billing balances" in alert.advice
    save_integrity_run(tenant_id=None, ledgers=["billing"], checks=[{**check, "violations": []}])
    assert look().context["alerts"] == []


def test_a_failed_job_waits_for_a_superuser(client, boss):
    client.force_login(boss)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_jobs (queue_name, task_name, status, args) VALUES ('default', 'x', 'failed', '{}')")
    [alert] = client.get("/admin/").context["alerts"]
    assert alert.title == "Jobs failed"
    assert client.get(alert.url).status_code == 200
