"""The history of settings names the author of every change, whichever way the change came."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from backoffice.admin.own_tables import STAFF_TABLES
from backoffice.models import Change
from backoffice.row_pages.history import RECORDED
from billing import services as billing
from credits import services as credits
from credits.models import Grant, RecurringGrant
from kernel.corrections import services as corrections
from kernel.tenants import services as tenants
from metering import services as metering
from metering.models import Policy, Price
from metering.paying import services as paying
from tests.backoffice.staff_members import PASSWORD, employ, log_in
from tests.factories import IssuedKeyFactory, TenantFactory

pytestmark = pytest.mark.django_db
AUTHOR = {"actor": "staff:7", "request_id": "req-7"}

# Columns that are neither recorded nor hidden, because they never change, or only together with one that is recorded.
UNRECORDED = {"id", "tenant_id", "created_at", "created_by"}
UNRECORDED_OF = {
    "auth_user": {"date_joined"},
    "billing_wallet": {"currency"},
    "credits_balancealert": {"customer_id", "currency", "metric_id"},
    "credits_recurringgrant": {field.column for field in RecurringGrant._meta.fields} - {"status"},
    "events_endpoint": {"disabled_at"},
    "metering_agent": {"updated_at"},
    "metering_usagekey": {"actor", "declared_at"},
}


@pytest.fixture
def tenant():
    return TenantFactory(slug="acme")


def make_price(tenant, **author):
    units = [{"fact_key": "tokens", "amount": Decimal(1)}]
    return metering.set_price(tenant_id=tenant.id, **author, units=units, valid_from=timezone.now())


def make_agent(tenant, **author):
    return metering.create_agent(tenant_id=tenant.id, **author, label="bot")["id"]


def declare_key(tenant, **author):
    return metering.declare_key(tenant_id=tenant.id, **author, place="metadata", name="team")


def make_recurring_grant(tenant):
    facts = {"customer_id": "maria", "name": "Monthly", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(7)}
    return credits.create_recurring_grant(tenant_id=tenant.id, actor="x", request_id="", **facts).row.id


CHANGES = {
    "tenants_tenant": lambda tenant: tenants.change_tenant(tenant=tenant, **AUTHOR, name="New name", is_active=True),
    "tenants_apikey": lambda tenant: tenants.revoke_api_key(prefix=IssuedKeyFactory(tenant=tenant).key.prefix, **AUTHOR),
    "billing_transactiontype": lambda tenant: billing.define_type(tenant_id=tenant.id, **AUTHOR, code="fine", label="", direction="debit"),
    "billing_policy": lambda tenant: billing.set_policy(tenant_id=tenant.id, **AUTHOR, strict_types=True),
    "billing_wallet": lambda tenant: billing.set_floor(tenant_id=tenant.id, **AUTHOR, currency="USD", floor=Decimal(-1)),
    "metering_policy": lambda tenant: metering.set_policy(tenant_id=tenant.id, **AUTHOR, authorizes_at_once=False),
    "metering_price": lambda tenant: metering.end_price(
        tenant_id=tenant.id, **AUTHOR, price_id=make_price(tenant, actor="x", request_id=""), valid_to=timezone.now() + timedelta(days=1)
    ),
    "metering_unitprice": lambda tenant: make_price(tenant, **AUTHOR),
    "metering_agent": lambda tenant: metering.update_agent(
        tenant_id=tenant.id, **AUTHOR, agent_id=make_agent(tenant, actor="x", request_id=""), status="inactive"
    ),
    "metering_usagekey": lambda tenant: metering.withdraw_key(
        tenant_id=tenant.id, **AUTHOR, key_id=declare_key(tenant, actor="x", request_id="").id
    ),
    "credits_recurringgrant": lambda tenant: credits.cancel_recurring_grant(
        tenant_id=tenant.id, **AUTHOR, recurring_grant_id=make_recurring_grant(tenant)
    ),
    "paying_payersetting": lambda tenant: paying.set_payer(tenant_id=tenant.id, **AUTHOR, payer="ledger", is_enabled=False),
    "corrections_threshold": lambda tenant: corrections.set_threshold(tenant_id=tenant.id, **AUTHOR, unit="USD", amount=Decimal(5)),
}


@pytest.mark.parametrize("table", CHANGES)
def test_a_change_by_a_service_is_recorded_under_its_author_and_request(tenant, table):
    CHANGES[table](tenant)
    change = Change.objects.filter(table=table).latest("id")
    assert (change.actor, change.request_id) == ("staff:7", "req-7")


def test_declaring_and_withdrawing_a_key_are_changes_and_counting_by_it_is_none(tenant):
    key = declare_key(tenant, **AUTHOR)
    metering.backfill_keys()
    metering.withdraw_key(tenant_id=tenant.id, **AUTHOR, key_id=key.id)
    metering.backfill_keys()
    changes = Change.objects.filter(table="metering_usagekey").order_by("id")
    assert [(change.operation, change.after["withdrawn_at"] is None) for change in changes] == [("INSERT", True), ("UPDATE", False)]
    assert {"backfilled_at", "counts_from", "has_sums"} & changes[0].after.keys() == set()


def test_the_tables_whose_changes_are_recorded_are_those_that_the_pages_name():
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'backoffice_history_%'")
        tables = {table for (table,) in cursor.fetchall()}
    assert tables - set(STAFF_TABLES) == {apps.get_model(label)._meta.db_table for label in RECORDED} - set(STAFF_TABLES)


def test_no_column_of_a_setting_is_left_out_of_the_history_unawares():
    """A new setting must be named in the migration of the history, or its changes would leave no trace."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT tgrelid::regclass::text, attname
            FROM pg_trigger JOIN pg_attribute ON attrelid = tgrelid AND attnum > 0 AND NOT attisdropped
            WHERE tgname = 'backoffice_history_update' AND attnum <> ALL (tgattr::int2[])
                AND attname <> ALL (string_to_array(replace(encode(tgargs, 'escape'), '\\000', ''), ','))
        """)
        rest = cursor.fetchall()
    assert sorted(pair for pair in rest if pair[1] not in UNRECORDED | UNRECORDED_OF.get(pair[0], set())) == []


def test_issuing_a_recurring_grant_is_no_change_of_it_and_its_end_is_one(tenant):
    tomorrow = timezone.now().date() + timedelta(days=1)
    facts = {"customer_id": "maria", "name": "Monthly", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(7)}
    lasting = make_recurring_grant(tenant)
    ending = credits.create_recurring_grant(tenant_id=tenant.id, **AUTHOR, **facts, ends_on=tomorrow).row.id
    assert set(Grant.objects.values_list("recurring_grant_id", flat=True)) == {lasting, ending}
    [change] = Change.objects.filter(table="credits_recurringgrant")
    assert (change.row, change.after["status"], change.actor) == (str(ending), "ended", "staff:7")


def test_the_author_of_one_change_is_not_the_author_of_the_next(tenant):
    billing.set_policy(tenant_id=tenant.id, **AUTHOR, strict_types=True)
    Price.objects.update(currency="EUR")
    tenant.name = "By hand"
    tenant.save()
    assert Change.objects.filter(table="tenants_tenant").latest("id").actor == ""


def test_a_command_is_recorded_as_the_author(tenant):
    call_command("set_billing_policy", "acme", "--strict-types", "--floor", "USD", "-5")
    call_command("define_billing_type", "acme", "fine", "debit")
    call_command("set_metering_policy", "acme", "--decide-later")
    call_command("create_tenant", "globex", "--name", "Globex")
    authors = {change.table: change.actor for change in Change.objects.order_by("id")}
    assert authors == {
        "billing_policy": "command:set_billing_policy",
        "billing_wallet": "command:set_billing_policy",
        "billing_transactiontype": "command:define_billing_type",
        "metering_policy": "command:set_metering_policy",
        "tenants_tenant": "command:create_tenant",
    }


def test_setting_one_part_of_a_metering_policy_leaves_the_other(tenant):
    call_command("set_metering_policy", "acme", "--decide-later")
    call_command("set_metering_policy", "acme", "--stale-after-hours", "24")
    policy = Policy.objects.get()
    assert (policy.authorizes_at_once, policy.stale_after) == (False, timedelta(hours=24))
    call_command("set_metering_policy", "acme", "--stale-after-hours", "0")
    policy.refresh_from_db()
    assert (policy.authorizes_at_once, policy.stale_after) == (False, None)


def test_a_staff_account_is_changed_under_the_name_of_the_superuser(office, boss):
    user = employ("victor", "viewer")
    form = {
        "username": "victor",
        "first_name": "Victor",
        "is_active": "on",
        "is_staff": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00",
    }
    assert office.post(f"/admin/auth/user/{user.pk}/change/", form).status_code == 302
    change = Change.objects.filter(table="auth_user").latest("id")
    assert (change.after["first_name"], change.actor) == ("Victor", f"staff:{boss.pk}")


def test_a_sign_in_is_no_change_of_the_account_but_a_new_password_is(office):
    user = employ("victor", "viewer")
    # A digest with few rounds, as an older version stored it: the sign-in stores it anew.
    user.password = PBKDF2PasswordHasher().encode(PASSWORD, "a-salt-of-22-characters", iterations=1000)
    user.save()
    before = Change.objects.filter(table="auth_user").count()
    client = Client()
    client.post("/admin/login/", {"username": "victor", "password": PASSWORD})
    old, _ = user.password, user.refresh_from_db()
    assert (user.last_login is not None, user.password != old) == (True, True)
    assert Change.objects.filter(table="auth_user").count() == before
    user.set_password("another-long-password")
    user.save(update_fields=["password"])
    assert Change.objects.filter(table="auth_user").count() == before + 1
    # Its value isn't recorded, and the history says so instead of showing no difference.
    for page in ("", f"{Change.objects.latest('id').pk}/change/"):
        assert "password changed" in office.get(f"/admin/backoffice/change/{page}").content.decode()


def test_a_settings_page_says_what_changed_in_words(office, tenant):
    billing.set_policy(tenant_id=tenant.id, **AUTHOR, strict_types=False, default_floor=None)
    policy = billing.set_policy(tenant_id=tenant.id, **AUTHOR, strict_types=True, default_floor=Decimal(-5))
    html = office.get(f"/admin/billing/policy/{policy.pk}/change/").content.decode()
    assert "Only types of the catalogue: off → on" in html
    assert "Floor of new wallets: – → -5" in html


def test_ones_own_time_zone_is_changed_under_ones_own_name():
    user = employ("victor", "viewer")
    client = Client()
    client.force_login(user)
    client.post("/admin/backoffice/profile/", {"time_zone": "Europe/Berlin"})
    assert Change.objects.filter(table="tenants_staffprofile").latest("id").actor == f"staff:{user.pk}"


def test_changes_of_staff_accounts_are_read_by_superusers_alone(office):
    viewer = employ("victor", "viewer")
    staff_tables = {"auth_user", "auth_user_groups", "tenants_staffprofile"}
    page = "/admin/backoffice/change/"
    assert staff_tables <= {change.table for change in office.get(page).context["cl"].result_list}
    assert not staff_tables & {change.table for change in log_in(viewer).get(page).context["cl"].result_list}


def test_a_name_stays_in_the_trail_when_its_account_is_gone(office, tenant):
    user = employ("clara", "clerk", first_name="Clara", last_name="Klein")
    assert office.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
    billing.set_policy(tenant_id=tenant.id, actor=f"staff:{user.pk}", request_id="", strict_types=True)
    user.delete()
    assert "Clara Klein (deleted)" in office.get("/admin/backoffice/change/").content.decode()


def test_amounts_of_the_history_are_exact_and_shown_as_money(office, tenant):
    """A float has 15 digits: it would show another amount than the one that was set."""
    exact = Decimal("12345678901234567.123456789012345678")
    corrections.set_threshold(tenant_id=tenant.id, **AUTHOR, unit="USD", amount=exact)
    corrections.set_threshold(tenant_id=tenant.id, **AUTHOR, unit="USD", amount=Decimal("0.10"))
    change = Change.objects.filter(table="corrections_threshold").latest("id")
    assert (change.before["amount"], change.after["amount"]) == (exact, Decimal("0.10"))
    html = office.get(f"/admin/backoffice/change/{change.pk}/change/").content.decode()
    assert "Amount: 12,345,678,901,234,567.123456789012345678 USD → 0.10 USD" in html
    listed = office.get("/admin/backoffice/change/").content.decode()
    assert "Amount: 12,345,678,901,234,567.123456789012345678 USD → 0.10 USD" in listed
    assert str(tenant) in listed
    made = office.get(f"/admin/backoffice/change/{Change.objects.filter(table='corrections_threshold').earliest('id').pk}/change/")
    assert "<dt>Amount</dt><dd>12,345,678,901,234,567.123456789012345678 USD</dd>" in made.content.decode()
