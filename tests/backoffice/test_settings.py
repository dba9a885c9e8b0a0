"""Settings changed by operators: through the services, under their name, with a history that raw SQL can't avoid."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from backoffice.models import Change
from billing import services as billing
from billing.models import Policy, TransactionType, Wallet
from kernel.corrections.models import CorrectionThreshold
from kernel.tenants.models import ApiKey, Tenant
from kernel.tenants.services import authenticate
from metering.models import Policy as MeteringPolicy
from metering.models import Price
from tests.backoffice.people import employ, sit_down
from tests.factories import IssuedKeyFactory, TenantFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return employ("olga", "operator", first_name="Olga", last_name="Ortiz")


@pytest.fixture
def desk(operator):
    return sit_down(operator)


@pytest.fixture
def tenant():
    return TenantFactory(name="Acme Robotics")


def keep(desk, setting, /, row=None, **facts):
    return desk.post(f"/admin/settings/{setting}/" + (f"?row={row}" if row else ""), facts)


def changes(table):
    return list(Change.objects.filter(table=table).order_by("id"))


def test_a_tenant_is_made_renamed_and_switched_off(desk, operator):
    keep(desk, "new-tenant", name="Globex", slug="globex", currency="EUR")
    tenant = Tenant.objects.get(slug="globex")
    keep(desk, "tenant", row=tenant.id, name="Globex AI")
    tenant.refresh_from_db()
    assert (tenant.name, tenant.currency, tenant.is_active) == ("Globex AI", "EUR", False)
    made, changed = changes("tenants_tenant")
    assert (made.operation, made.actor, made.tenant_id) == ("INSERT", f"staff:{operator.pk}", tenant.id)
    assert (changed.before["name"], changed.after["name"]) == ("Globex", "Globex AI")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"slug": "acme"}, "A tenant with this short name exists."),
        ({"slug": "No Good"}, "lower-case letters, digits and hyphens"),
        ({"currency": "XX"}, "is no currency"),
    ],
)
def test_what_is_refused_is_said_in_words(desk, facts, told):
    TenantFactory(slug="acme")
    response = keep(desk, "new-tenant", **({"name": "A", "slug": "new", "currency": "USD"} | facts))
    assert told in response.content.decode()


def test_a_keys_secret_is_shown_once_and_works(desk, tenant):
    response = keep(desk, "new-key", tenant=str(tenant.id), name="production", scopes=["billing:read"])
    html = response.content.decode()
    token = html.split('class="ch-secret">')[1].split("<")[0]
    assert authenticate(token).tenant_id == tenant.id
    assert "no-store" in response["Cache-Control"]
    secret = token.rsplit("_", 1)[1]
    key = ApiKey.objects.get()
    for page in (f"/admin/tenants/apikey/{key.id}/change/", "/admin/tenants/apikey/", "/admin/backoffice/change/"):
        assert secret not in desk.get(page).content.decode()
    assert "secret_digest" not in changes("tenants_apikey")[0].after


def test_a_key_is_revoked_under_the_operators_name(desk, tenant, operator):
    key = IssuedKeyFactory(tenant=tenant).key
    assert "Revoke now" in desk.get(f"/admin/settings/revoke-key/?row={key.id}").content.decode()
    keep(desk, "revoke-key", row=key.id)
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert changes("tenants_apikey")[-1].actor == f"staff:{operator.pk}"
    html = desk.get(f"/admin/tenants/apikey/{key.id}/change/").content.decode()
    assert "History" in html
    assert "Olga Ortiz" in html


def test_types_policies_floors_prices_and_thresholds_are_set(desk, tenant):
    keep(desk, "type", tenant=str(tenant.id), code="fine", label="Fine", direction="debit")
    assert TransactionType.objects.get().label == "Fine"
    keep(desk, "billing-policy", tenant=str(tenant.id), strict_types="on", near_duplicate_seconds="5")
    assert (Policy.objects.get().strict_types, Policy.objects.get().near_duplicate_seconds) == (True, 5)
    keep(desk, "metering-policy", tenant=str(tenant.id), authorizes_at_once="on", stale_hours="24")
    assert MeteringPolicy.objects.get().stale_after == timedelta(hours=24)
    keep(desk, "threshold", tenant=str(tenant.id), unit="USD", amount="250")
    assert CorrectionThreshold.objects.get().amount == Decimal(250)
    billing.record_transaction(tenant_id=tenant.id, actor="x", amount=Decimal(5), type="topup", reference_id="x")
    wallet = Wallet.objects.get()
    keep(desk, "floor", row=wallet.id, floor="1.5")
    wallet.refresh_from_db()
    assert wallet.floor == Decimal("1.5")
    assert "below the floor of 99 already" in keep(desk, "floor", row=wallet.id, floor="99").content.decode()
    assert len(changes("billing_wallet")) == 1


def test_a_price_begins_and_ends(desk, tenant):
    price = {"tenant": str(tenant.id), "service_name": "s", "currency": "USD", "fact_key": "tokens", "amount": "3", "per": "1000000"}
    keep(desk, "price", **price, valid_from="2026-01-01T00:00")
    found = Price.objects.get()
    keep(desk, "end-price", row=found.id, valid_to="2027-01-01T00:00")
    found.refresh_from_db()
    assert found.valid_to.year == 2027
    assert [change.operation for change in changes("metering_price")] == ["INSERT", "UPDATE"]


def test_raw_sql_leaves_its_trace_under_the_databases_name(tenant):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_tenant SET name = 'Taken over'")
        cursor.execute("SELECT session_user")
        [user] = cursor.fetchone()
    change = changes("tenants_tenant")[-1]
    assert (change.actor, change.database_user, change.after["name"]) == ("", user, "Taken over")


@pytest.mark.django_db(transaction=True)
def test_the_name_of_one_request_does_not_stand_under_the_next_change(desk, tenant):
    keep(desk, "tenant", row=tenant.id, name="Renamed")
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


@pytest.mark.parametrize("address", ["/admin/settings/nothing/", "/admin/settings/tenant/", "/admin/settings/tenant/?row=x"])
def test_an_address_that_makes_no_sense_is_not_found(desk, address):
    assert desk.get(address).status_code == 404
