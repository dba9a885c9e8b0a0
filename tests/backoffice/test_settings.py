"""Settings changed by operators: through the services, under their name, with a history that raw SQL can't avoid."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from backoffice.models import Change
from billing import services as billing
from billing.models import Policy, TransactionType, Wallet
from kernel.corrections.models import CorrectionThreshold
from kernel.tenants.callers import caller_of_key
from kernel.tenants.models import ApiKey, Tenant
from metering.models import Policy as MeteringPolicy
from metering.models import Price, UnitPrice
from metering.services import set_policy as set_metering_policy
from tests.backoffice.staff_members import employ, log_in
from tests.factories import IssuedKeyFactory, TenantFactory

# What the form of metering's policy shows where the tenant has none.
TIME_LIMITS = {"backdating_days": "35", "postdating_minutes": "5"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return employ("olga", "operator", first_name="Olga", last_name="Ortiz")


@pytest.fixture
def browser(operator):
    return log_in(operator)


@pytest.fixture
def tenant():
    return TenantFactory(name="Acme Robotics")


def change(browser, page, /, tenant=None, **values):
    """Fill the form of a setting and confirm it. `page`: its path below /admin/. The confirmation must show the form's own values."""
    path = f"/admin/{page}/" + (f"?tenant={tenant.id}" if tenant else "")
    preview = browser.post(path, {**values, "step": "preview"})
    if not preview.context.get("is_preview"):
        return preview
    hidden = {"standing": preview.context["standing"], "form_id": preview.context["form_id"], "step": "confirm"}
    return browser.post(path, {**values, **hidden})


def changes(table):
    return list(Change.objects.filter(table=table).order_by("id"))


def test_a_tenant_is_made_renamed_and_switched_off(browser, operator):
    change(browser, "tenants/tenant/new-tenant", name="Globex", slug="globex", currency="EUR")
    tenant = Tenant.objects.get(slug="globex")
    change(browser, f"tenants/tenant/{tenant.id}/change-tenant", name="Globex AI")
    tenant.refresh_from_db()
    assert (tenant.name, tenant.currency, tenant.is_active) == ("Globex AI", "EUR", False)
    made, changed = changes("tenants_tenant")
    assert (made.operation, made.actor, made.tenant_id) == ("INSERT", f"staff:{operator.pk}", tenant.id)
    assert (changed.before["name"], changed.after["name"]) == ("Globex", "Globex AI")


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"slug": "acme"}, "A tenant with this short name exists."),
        ({"slug": "No Good"}, "lower-case letters, digits and hyphens"),
        ({"currency": "XX"}, "is no currency"),
    ],
)
def test_an_error_of_the_service_is_shown_as_a_sentence_before_anybody_confirms(browser, facts, shown):
    TenantFactory(slug="acme")
    values = {"name": "A", "slug": "new", "currency": "USD"} | facts
    response = browser.post("/admin/tenants/tenant/new-tenant/", values | {"step": "preview"})
    assert (shown in response.content.decode(), response.context.get("is_preview")) == (True, None)
    assert not Tenant.objects.filter(name="A").exists()


def test_a_keys_secret_is_shown_once_and_works(browser, tenant):
    response = change(browser, "tenants/apikey/new-key", tenant=tenant, name="production", scopes=["billing:read"])
    html = response.content.decode()
    token = html.split('class="ch-secret">')[1].split("<")[0]
    assert caller_of_key(token).tenant_id == tenant.id
    assert "no-store" in response["Cache-Control"]
    secret = token.rsplit("_", 1)[1]
    key = ApiKey.objects.get()
    for page in (f"/admin/tenants/apikey/{key.id}/change/", "/admin/tenants/apikey/", "/admin/backoffice/change/"):
        assert secret not in browser.get(page).content.decode()
    assert "secret_digest" not in changes("tenants_apikey")[0].after


def test_a_key_is_revoked_under_the_operators_name(browser, tenant, operator):
    key = IssuedKeyFactory(tenant=tenant).key
    assert "Revoke the key now" in browser.post(f"/admin/tenants/apikey/{key.id}/revoke-key/", {"step": "preview"}).content.decode()
    change(browser, f"tenants/apikey/{key.id}/revoke-key")
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert changes("tenants_apikey")[-1].actor == f"staff:{operator.pk}"
    html = browser.get(f"/admin/tenants/apikey/{key.id}/change/").content.decode()
    assert "History" in html
    assert "Olga Ortiz" in html


def test_types_policies_floors_prices_and_thresholds_are_set(browser, tenant):
    change(browser, "billing/transactiontype/define-type", tenant=tenant, code="fine", label="Fine", direction="debit")
    assert TransactionType.objects.get().label == "Fine"
    change(browser, "billing/policy/set-policy", tenant=tenant, strict_types="on", near_duplicate_seconds="5")
    assert (Policy.objects.get().strict_types, Policy.objects.get().near_duplicate_seconds) == (True, 5)
    change(browser, "metering/policy/set-policy", tenant=tenant, authorizes_at_once="on", stale_hours="24", **TIME_LIMITS)
    assert MeteringPolicy.objects.get().stale_after == timedelta(hours=24)
    change(browser, "corrections/correctionthreshold/set-threshold", tenant=tenant, unit="USD", amount="250")
    assert CorrectionThreshold.objects.get().amount == Decimal(250)
    billing.record_transaction(tenant_id=tenant.id, actor="x", request_id="", amount=Decimal(5), type="topup", reference_id="x")
    wallet = Wallet.objects.get()
    change(browser, f"billing/wallet/{wallet.id}/set-floor", floor="1.5")
    wallet.refresh_from_db()
    assert wallet.floor == Decimal("1.5")
    assert "The new floor of 99 is above" in change(browser, f"billing/wallet/{wallet.id}/set-floor", floor="99").content.decode()
    assert len(changes("billing_wallet")) == 1


def test_a_price_begins_and_ends(browser, tenant):
    price = {"service_name": "s", "currency": "USD", "units": "tokens=3/1000000"}
    change(browser, "metering/price/new-price", tenant=tenant, **price, valid_from="2026-01-01T00:00")
    found = Price.objects.get()
    change(browser, f"metering/price/{found.id}/end-price", valid_to="2027-01-01T00:00")
    found.refresh_from_db()
    assert found.valid_to.year == 2027
    assert [change.operation for change in changes("metering_price")] == ["INSERT", "UPDATE"]


def test_a_change_by_raw_sql_is_recorded_with_the_database_user(tenant):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_tenant SET name = 'Taken over'")
        cursor.execute("SELECT session_user")
        [user] = cursor.fetchone()
    change = changes("tenants_tenant")[-1]
    assert (change.actor, change.database_user, change.after["name"]) == ("", user, "Taken over")


@pytest.mark.django_db(transaction=True)
def test_the_name_of_one_request_does_not_stand_under_the_next_change(browser, tenant):
    change(browser, f"tenants/tenant/{tenant.id}/change-tenant", name="Renamed")
    Tenant.objects.update(name="Again")
    assert changes("tenants_tenant")[-1].actor == ""


def test_a_change_that_changes_nothing_is_no_change(tenant):
    before = Change.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_tenant SET name = name")
    assert Change.objects.count() == before


def test_using_a_key_is_no_change_of_it(tenant):
    key = IssuedKeyFactory(tenant=tenant).key
    before = Change.objects.count()
    ApiKey.objects.filter(id=key.id).update(last_used_at=timezone.now())
    assert Change.objects.count() == before


@pytest.mark.parametrize(
    "statement", ["UPDATE backoffice_change SET actor = 'x'", "DELETE FROM backoffice_change", "TRUNCATE backoffice_change"]
)
def test_the_history_itself_can_not_be_changed(tenant, statement):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_passwords_of_staff_are_not_in_the_history(operator):
    change = changes("auth_user")[-1]
    assert "password" not in change.after
    assert change.after["username"] == "olga"


@pytest.mark.parametrize(
    "address", [f"/admin/tenants/tenant/{row}/change-tenant/" for row in ("x", "00000000-0000-7000-8000-000000000000")]
)
def test_an_address_that_makes_no_sense_is_not_found(browser, address):
    assert browser.get(address).status_code == 404


# ---- forms show the current values, and change nothing else


def test_a_form_is_filled_with_the_current_values_and_resets_nothing(browser, tenant):
    stated = {"strict_types": True, "near_duplicate_seconds": 5, "default_floor": Decimal("-1.5"), "longest_hold_seconds": 3600}
    billing.set_policy(tenant_id=tenant.id, actor="x", request_id="", **stated)
    page = browser.get(f"/admin/billing/policy/set-policy/?tenant={tenant.id}")
    form = page.context["form"]
    assert form.initial == {"strict_types": True, "near_duplicate_seconds": 5, "default_floor": "-1.5", "longest_hold_seconds": 3600}
    change(browser, "billing/policy/set-policy", tenant=tenant, **{**form.initial, "near_duplicate_seconds": "10"})
    policy = Policy.objects.get()
    assert (policy.strict_types, policy.near_duplicate_seconds, policy.default_floor) == (True, 10, Decimal("-1.5"))
    assert policy.longest_hold_seconds == 3600


def test_setting_stale_hours_leaves_authorizing_at_once(browser, tenant):
    set_metering_policy(tenant_id=tenant.id, actor="x", request_id="", authorizes_at_once=True, stale_after=timedelta(seconds=100))
    form = browser.get(f"/admin/metering/policy/set-policy/?tenant={tenant.id}").context["form"]
    switches = {
        "takes_reported_costs": False,
        "prices_self_hosted": False,
        "holds_estimates": False,
        "payer_customer_id": "",
        "allows_overdraft": False,
    }
    limits = {name: Decimal(value) for name, value in TIME_LIMITS.items()}
    assert form.initial == {"authorizes_at_once": True, "stale_hours": Decimal("0.03"), **switches, **limits}
    values = {"authorizes_at_once": "", "stale_hours": "0.03", "takes_reported_costs": "on", **TIME_LIMITS, "backdating_days": "1.5"}
    change(browser, "metering/policy/set-policy", tenant=tenant, **values)
    policy = MeteringPolicy.objects.get()
    assert (policy.authorizes_at_once, policy.stale_after) == (False, timedelta(seconds=100))
    assert (policy.reported_costs, policy.prices_self_hosted) == ("actual", False)
    assert (policy.backdating_limit, policy.postdating_limit) == (timedelta(hours=36), timedelta(minutes=5))


def test_the_confirmation_says_what_will_change_and_changes_nothing_yet(browser, tenant):
    path = f"/admin/metering/policy/set-policy/?tenant={tenant.id}"
    page = browser.post(path, {"authorizes_at_once": "", "stale_hours": "24", "step": "preview", **TIME_LIMITS})
    assert page.context["changes"] == [
        ("Authorize at once", "on", "off"),
        ("Cancel what stays authorized longer than (hours)", "–", "24"),
    ]
    assert not MeteringPolicy.objects.exists()
    unchanged = browser.post(path, {"authorizes_at_once": "on", "stale_hours": "", "step": "preview", **TIME_LIMITS})
    assert "Nothing would change." in unchanged.content.decode()


def test_a_setting_that_changed_after_the_confirmation_was_shown_is_shown_again(browser, tenant):
    path, values = f"/admin/tenants/tenant/{tenant.id}/change-tenant/", {"name": "Mine", "is_active": "on"}
    standing = browser.post(path, {**values, "step": "preview"}).context["standing"]
    Tenant.objects.update(name="Theirs")
    again = browser.post(path, {**values, "step": "confirm", "standing": standing})
    assert again.context["changes"] == [("Name", "Theirs", "Mine")]
    tenant.refresh_from_db()
    assert tenant.name == "Theirs"


@pytest.mark.parametrize(("seconds", "is_accepted"), [("86400", True), ("86401", False), ("-1", False)])
def test_the_near_duplicate_window_is_at_most_a_day_as_in_the_service(browser, tenant, seconds, is_accepted):
    change(browser, "billing/policy/set-policy", tenant=tenant, near_duplicate_seconds=seconds)
    assert Policy.objects.exists() == is_accepted


def test_a_price_takes_all_its_quantities_in_one_form_and_says_which_price_it_ends(browser, tenant):
    price = {"service_name": "s", "currency": "USD", "valid_from": "2026-01-01T00:00"}
    change(browser, "metering/price/new-price", tenant=tenant, **price, units="input=3/1000000\noutput=12.50/1000000?")
    assert list(UnitPrice.objects.order_by("fact_key").values_list("fact_key", "amount", "per", "is_optional")) == [
        ("input", Decimal(3), 1_000_000, False),
        ("output", Decimal("12.5"), 1_000_000, True),
    ]
    path = f"/admin/metering/price/new-price/?tenant={tenant.id}"
    later = browser.post(path, {**price, "units": "input=4", "valid_from": "2026-02-01T00:00", "step": "preview"})
    assert later.context["notes"] == ["Ends the current price with these names, which has: input, output."]
    wrong = browser.post(path, {**price, "units": "input=4\noutput", "step": "preview"})
    assert "is not of the form KEY" in wrong.content.decode()
    change(browser, "metering/price/new-price", tenant=tenant, **price | {"service_name": "t"}, units="", markup="20", flat_amount="0.01")
    marked = Price.objects.get(service_name="t")
    assert (marked.markup, marked.flat_amount, marked.minimum) == (Decimal("0.2"), Decimal("0.01"), 0)
    neither = {**price, "service_name": "u", "units": ""}
    refused = browser.post(path, {**neither, "step": "apply"})
    assert not Price.objects.filter(service_name="u").exists()
    assert refused.status_code == 200


def test_a_reload_of_the_page_with_a_keys_secret_makes_no_second_key(browser, tenant):
    path, values = f"/admin/tenants/apikey/new-key/?tenant={tenant.id}", {"name": "production", "scopes": ["billing:read"]}
    preview = browser.post(path, {**values, "step": "preview"})
    sent = {**values, "step": "confirm", "standing": preview.context["standing"], "form_id": preview.context["form_id"]}
    first, second = browser.post(path, sent), browser.post(path, sent, follow=True)
    assert 'class="ch-secret"' in first.content.decode()
    assert 'class="ch-secret"' not in second.content.decode()
    assert "made already" in second.content.decode()
    assert ApiKey.objects.count() == 1


def test_a_new_key_has_no_scopes_and_an_end_unless_they_are_chosen(browser, tenant):
    form = browser.get(f"/admin/tenants/apikey/new-key/?tenant={tenant.id}").context["form"]
    assert form["scopes"].value() in (None, [])
    assert form["expires_at"].value() > f"{timezone.now() + timedelta(days=89):%Y-%m-%d}"


def test_a_child_tenant_can_be_made(browser, tenant):
    change(browser, "tenants/tenant/new-tenant", name="Child", slug="child", currency="EUR", parent=str(tenant.id))
    assert Tenant.objects.get(slug="child").parent == tenant


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59", "0001-01-01T00:00:00", "1899-12-31T00:00:00"])
def test_a_moment_outside_the_range_of_the_ledgers_is_refused(browser, tenant, moment):
    page = change(browser, "tenants/apikey/new-key", tenant=tenant, name="x", scopes=["billing:read"], expires_at=moment)
    assert "Enter a moment from 1900 to 2199." in page.content.decode()


def test_a_child_tenant_is_made(browser, tenant):
    change(browser, "tenants/tenant/new-tenant", name="Child", slug="child", currency="EUR", parent=tenant.id)
    assert Tenant.objects.get(slug="child").parent == tenant


def test_a_superuser_sets_which_tenants_somebody_sees_who_saw_none_before(office, tenant):
    TenantFactory(name="Globex")
    user = User.objects.create_user("nina", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    reader = log_in(user)

    def seen():
        return {row.name for row in reader.get("/admin/tenants/tenant/").context["cl"].result_list}

    assert seen() == set()
    change(office, f"auth/user/{user.pk}/set-tenants", tenant_ids=[str(tenant.id)])
    assert seen() == {"Acme Robotics"}
    change(office, f"auth/user/{user.pk}/set-tenants", sees_all="on")
    assert seen() == {"Acme Robotics", "Globex"}
    assert {row.operation for row in changes("tenants_stafftenant")} == {"INSERT", "DELETE"}
    assert reader.get(f"/admin/auth/user/{user.pk}/set-tenants/").status_code == 403
