"""Balance alerts and the policy of credits, set on pages and by command."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from credits.models import BalanceAlert, Policy
from tests.backoffice.staff_members import employ, log_in
from tests.backoffice.test_settings import change
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
ALERT = "credits/balancealert/set-alert"


@pytest.fixture
def tenant():
    return TenantFactory(slug="acme", name="Acme")


@pytest.fixture
def browser():
    return log_in(employ("olga", "operator"))


def test_an_alert_is_set_and_changed_on_its_pages(browser, tenant):
    change(browser, ALERT, tenant=tenant, customer_id="c1", currency="USD", alert_below="20")
    alert = BalanceAlert.objects.get()
    assert (alert.tenant, alert.customer_id, alert.currency, alert.metric_id, alert.alert_below) == (tenant, "c1", "USD", "", Decimal(20))
    assert alert.updated_by.startswith("staff:")
    change(browser, f"credits/balancealert/{alert.pk}/change-alert", alert_below="")
    alert.refresh_from_db()
    assert alert.alert_below is None
    refused = change(browser, ALERT, tenant=tenant, customer_id="c1", currency="USD", metric_id="m", alert_below="1")
    assert "one unit" in refused.content.decode()
    assert log_in(employ("vera", "viewer")).get(f"/admin/{ALERT}/?tenant={tenant.id}").status_code == 403


def test_the_days_before_an_expiry_are_set_on_a_page(browser, tenant):
    change(browser, "credits/policy/set-policy", tenant=tenant, expiring_days="14")
    assert Policy.objects.get().expiring_days == 14
    change(browser, f"credits/policy/{Policy.objects.get().pk}/change-policy", expiring_days="0")
    assert Policy.objects.get().expiring_days == 0


def test_both_are_set_by_command(tenant):
    call_command("set_credits_policy", "acme", "--expiring-days", "30", "--alert-below", "c1", "tokens", "1000")
    call_command("set_credits_policy", "acme", "--alert-below", "c2", "USD", "none")
    assert Policy.objects.get().expiring_days == 30
    assert list(BalanceAlert.objects.values_list("customer_id", "currency", "metric_id", "alert_below")) == [
        ("c1", "", "tokens", Decimal(1000)),
        ("c2", "USD", "", None),
    ]
    for wrong, why in (
        (["--expiring-days", "400"], "366"),
        (["--longest-hold", "x"], "x is no number of seconds"),
        (["--alert-below", "c1", "USD", "-1"], "alert"),
        (["--alert-below", "c1", "USD", "x"], "x is no amount"),
    ):
        with pytest.raises(CommandError, match=why):
            call_command("set_credits_policy", "acme", *wrong)


def test_alerts_are_set_and_listed_over_the_api(api, outsider, book):
    path = "/credits/customer%201/balance-alerts"
    book.grant(30, customer_id="customer 1")
    made = api.put(path, {"currency": "USD", "alertBelow": "40"})
    assert made.status_code == 200, made.content
    expected = {"customerId": "customer 1", "id": "USD", "type": "CASH", "alertBelow": "40", "isLow": True}
    assert {name: value for name, value in made.json().items() if name != "updatedAt"} == expected
    assert api.put(path, {"metricId": "tokens", "alertBelow": "7"}).json()["type"] == "USAGE"
    assert api.put(path, {"currency": "USD", "alertBelow": None}).json() | {"updatedAt": ""} == expected | {
        "alertBelow": None,
        "isLow": False,
        "updatedAt": "",
    }
    assert [(row["id"], row["alertBelow"]) for row in api.get(path).json()["items"]] == [("tokens", "7"), ("USD", None)]
    assert outsider.get(path).json()["items"] == []
    assert BalanceAlert.objects.first().updated_by.startswith("api_key:")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"alertBelow": "1"}, "currency"),
        ({"alertBelow": "1", "currency": "USD", "metricId": "m"}, "currency"),
        ({"currency": "USD"}, "alertBelow"),
        ({"currency": "USD", "alertBelow": "-1"}, "alertBelow"),
        ({"currency": "USD", "alertBelow": 1}, "alertBelow"),
        ({"currency": "USD", "alertBelow": "1", "below": "1"}, "below"),
    ],
)
def test_an_alert_that_cannot_be_set_says_why(api, body, field):
    refused = api.put("/credits/c1/balance-alerts", body)
    assert refused.status_code == 400
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == [field]
    assert api.put(f"/credits/{'c' * 256}/balance-alerts", {"currency": "USD", "alertBelow": "1"}).status_code == 400
    assert not BalanceAlert.objects.exists()
