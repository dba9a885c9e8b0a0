"""The pages of webhooks: endpoints, the log, replays, secrets, the catalogue, and what was sent about a row."""

import json
from datetime import timedelta
from decimal import Decimal
from unittest.mock import patch

import pytest
from django.utils import timezone

from backoffice.models import Change
from billing import services as billing
from kernel.events.models import Delivery, Endpoint, Event, SecretReading
from kernel.events.services import endpoints as services
from kernel.events.services.event_writer import write_event
from kernel.events.services.fan_out import fan_out
from tests.backoffice.staff_members import employ, log_in
from tests.backoffice.test_settings import change
from tests.factories import TenantFactory
from tests.kernel.events.api.conftest import SNAPSHOTS, finish

pytestmark = pytest.mark.django_db
ENDPOINTS, DELIVERIES = "events/endpoint", "events/delivery"
RECORDED = "billing.transaction.recorded"
FORM = {"url": "https://example.com/hooks", "enabled_events": ["billing.*"], "ordering": "none", "payload": "full"}


@pytest.fixture
def tenant():
    return TenantFactory(name="Acme Robotics")


@pytest.fixture
def browser():
    return log_in(employ("olga", "operator"))


@pytest.fixture
def endpoint(tenant):
    return services.create_endpoint(
        tenant_id=tenant.id, actor="command:test", request_id="", url="https://example.com/hooks", enabled_events=["billing.*"]
    ).row


@pytest.fixture
def delivery(tenant, endpoint):
    """Of an event about the object `t-1`."""
    snapshot = SNAPSHOTS[RECORDED] | {"description": "<b>x</b>"}
    write_event(tenant_id=tenant.id, type=RECORDED, account="wallet:USD", object_id="t-1", snapshot=snapshot)
    fan_out()
    return Delivery.objects.get()


def page(browser, path):
    response = browser.get(f"/admin/{path}/" if path else "/admin/")
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def follow(browser, response):
    return browser.get(response["Location"]).content.decode()


def test_an_endpoint_is_offered_everything_but_metering_and_made(browser, tenant):
    shown = browser.get(f"/admin/{ENDPOINTS}/new-endpoint/?tenant={tenant.id}")
    chosen = shown.context["form"].fields["enabled_events"].initial
    assert chosen == ["billing.*", "credits.*", "payment.*", "spending_rule.*", "webhook_endpoint.*", "api_key.*"]
    assert "this tenant had 0 metered transactions in the last day" in shown.content.decode()
    form = FORM | {"enabled_events": ["billing.*", "billing.transaction.recorded", "api_key.created"], "headers": "Authorization: Bearer x"}
    made = follow(browser, change(browser, f"{ENDPOINTS}/new-endpoint", tenant=tenant, **form))
    row = Endpoint.objects.get()
    assert (row.tenant, row.url, row.enabled_events) == (tenant, "https://example.com/hooks", ["billing.*", "api_key.created"])
    assert row.headers == {"authorization": "Bearer x"}
    assert "Nothing sent yet" in made
    assert "Bearer x" not in made
    [recorded] = Change.objects.filter(table="events_endpoint", operation="INSERT")
    assert "headers" not in recorded.after


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"url": "http://example.com"}, "It must begin with https://."),
        ({"enabled_events": []}, "This field is required."),
        ({"headers": "Host: x"}, "One of the headers is set by the service itself: leave it out."),
        ({"headers": ": x"}, "Not a header: : x"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_said_on_its_form(browser, tenant, values, message):
    response = change(browser, f"{ENDPOINTS}/new-endpoint", tenant=tenant, **FORM | values)
    assert message in response.content.decode()
    assert Endpoint.objects.count() == 0


def test_an_endpoint_is_changed_and_the_change_recorded(browser, endpoint):
    Endpoint.objects.update(headers={"x-a": "1"})
    change(browser, f"{ENDPOINTS}/{endpoint.pk}/change-endpoint", **FORM | {"enabled_events": ["credits.*"], "headers": "x-a\nx-b: 2"})
    endpoint.refresh_from_db()
    assert (endpoint.enabled_events, endpoint.headers) == (["credits.*"], {"x-a": "1", "x-b": "2"})
    [changed] = Change.objects.filter(table="events_endpoint", operation="UPDATE", actor__startswith="staff:")
    assert changed.after["enabled_events"] == ["credits.*"]
    assert "who" in page(browser, f"{ENDPOINTS}/{endpoint.pk}/change").lower()


def test_an_endpoint_is_disabled_with_a_reason_and_enabled_with_a_way_to_what_it_missed(browser, endpoint):
    change(browser, f"{ENDPOINTS}/{endpoint.pk}/disable", note="New server")
    shown = page(browser, f"{ENDPOINTS}/{endpoint.pk}/change")
    assert "Disabled: by a person" in shown
    assert "New server" in shown
    Endpoint.objects.update(first_failure_at=timezone.now() - timedelta(hours=2))
    enabled = follow(browser, change(browser, f"{ENDPOINTS}/{endpoint.pk}/enable"))
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.first_failure_at) == ("enabled", None)
    assert f"/admin/{ENDPOINTS}/{endpoint.pk}/recover/?since=" in enabled


def test_a_test_shows_what_the_endpoint_answered(browser, endpoint):
    sent = []

    def answers(*, delivery_id):
        sent.append(delivery_id)
        finish(Delivery.objects.get(id=delivery_id), "delivered")

    with patch("kernel.events.services.endpoint_tests.send_now", answers):
        shown = follow(browser, change(browser, f"{ENDPOINTS}/{endpoint.pk}/send-test", type="billing.wallet.balance_low"))
    assert "The endpoint answered 200 after 84 ms." in shown
    # The page that asks for confirmation sends nothing.
    assert len(sent) == 1
    assert json.loads(Event.objects.get().body)["data"]["exampleOf"] == "billing.wallet.balance_low"


def test_a_secret_is_revealed_to_operators_only_and_who_read_it_is_recorded(browser, endpoint):
    path = f"/admin/{ENDPOINTS}/{endpoint.pk}/reveal-secret/"
    response = change(browser, f"{ENDPOINTS}/{endpoint.pk}/reveal-secret")
    assert "whsec_" in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert SecretReading.objects.get().actor.startswith("staff:")
    assert "Who read the secret" in page(browser, f"{ENDPOINTS}/{endpoint.pk}/change")
    for role in ("viewer", "clerk", "approver"):
        other = log_in(employ(role, role))
        assert other.get(path).status_code == 403
        assert "Reveal the secret" not in page(other, f"{ENDPOINTS}/{endpoint.pk}/change")
    assert SecretReading.objects.count() == 1


def test_a_secret_is_rotated_and_the_previous_one_deleted(browser, endpoint):
    change(browser, f"{ENDPOINTS}/{endpoint.pk}/rotate-secret", grace_hours=24)
    endpoint.refresh_from_db()
    assert endpoint.secret_generation == 2
    refused = change(browser, f"{ENDPOINTS}/{endpoint.pk}/rotate-secret", grace_hours=24).content.decode()
    assert "The previous secret still signs until" in refused
    change(browser, f"{ENDPOINTS}/{endpoint.pk}/drop-previous-secret")
    endpoint.refresh_from_db()
    assert endpoint.previous_valid_until is None
    assert "/drop-previous-secret/" not in page(browser, f"{ENDPOINTS}/{endpoint.pk}/change")


def test_the_log_shows_the_body_and_every_answer_as_text(browser, delivery):
    finish(delivery, "failed", status_code=500, error="the receiver answered 500")
    Delivery.objects.get().attempt_rows.update(response_head="<script>alert(1)</script>")
    shown = page(browser, f"{DELIVERIES}/{delivery.pk}/change")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert(1)" not in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert "the receiver answered 500" in page(browser, DELIVERIES)
    assert "billing.transaction.recorded" in page(browser, f"events/event/{delivery.event_id}/change")


def test_what_failed_is_replayed_one_by_one_selected_or_since_a_moment(browser, endpoint, delivery):
    finish(delivery, "failed", status_code=500, error="the receiver answered 500")
    follow(browser, change(browser, f"{DELIVERIES}/{delivery.pk}/replay"))
    assert list(Delivery.objects.order_by("id").values_list("origin", flat=True)) == ["live", "replay"]
    browser.post(f"/admin/{DELIVERIES}/", {"action": "replay_selected", "_selected_action": [str(delivery.pk)]})
    assert Delivery.objects.count() == 3
    Delivery.objects.exclude(pk=delivery.pk).update(state="failed", finished_at=timezone.now())
    since = f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    shown = follow(browser, change(browser, f"{ENDPOINTS}/{endpoint.pk}/recover", since=since))
    assert "1 events are sent again." in shown
    assert Delivery.objects.filter(origin="recover").count() == 1


def test_a_deleted_endpoint_is_out_of_the_list_but_its_page_opens(browser, endpoint):
    change(browser, f"{ENDPOINTS}/{endpoint.pk}/delete-endpoint")
    assert "https://example.com/hooks" not in page(browser, ENDPOINTS)
    shown = page(browser, f"{ENDPOINTS}/{endpoint.pk}/change")
    assert "Deleted" in shown
    assert "Send a test" not in shown


def test_the_catalogue_shows_every_type_with_its_example(browser):
    shown = page(browser, f"{ENDPOINTS}/types")
    assert "credits.grant.expiring" in shown
    assert "&quot;apiVersion&quot;: &quot;2026-12&quot;" in shown


def test_a_rows_page_shows_what_was_sent_about_it(browser, tenant, endpoint):
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": "r"}
    entry = billing.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="t").row
    fan_out()
    finish(Delivery.objects.get(), "delivered")
    shown = page(browser, f"billing/transaction/{entry.id}/change")
    assert "Webhooks: what was sent about this" in shown
    assert "https://example.com/hooks" in shown
    event = page(browser, f"events/event/{Event.objects.get(object_id=str(entry.id)).pk}/change")
    assert f'href="/admin/billing/transaction/{entry.id}/change/"' in event
    assert f'href="/admin/billing/wallet/?tenant={tenant.id}&amp;currency=USD"' in event
    services.delete_endpoint(**context, endpoint_id=endpoint.id)
    other = billing.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="u").row
    assert "Webhooks: what was sent" not in page(browser, f"billing/transaction/{other.id}/change")


def test_staff_sees_only_its_tenants_endpoints_and_viewers_change_nothing(endpoint, delivery):
    outsider = log_in(employ("otto", "operator", tenants=[TenantFactory()]))
    assert "example.com" not in page(outsider, ENDPOINTS) + page(outsider, DELIVERIES)
    for path in ("change", "reveal-secret", "send-test", "disable", "recover"):
        assert outsider.get(f"/admin/{ENDPOINTS}/{endpoint.pk}/{path}/").status_code in {302, 403, 404}
    viewer = log_in(employ("vera", "viewer"))
    for path in (f"{ENDPOINTS}/new-endpoint", *(f"{ENDPOINTS}/{endpoint.pk}/{name}" for name in ("send-test", "disable", "rotate-secret"))):
        assert viewer.post(f"/admin/{path}/", {"step": "confirm"}).status_code == 403
    assert viewer.post(f"/admin/{DELIVERIES}/{delivery.pk}/replay/", {"step": "confirm"}).status_code == 403
    viewer.post(f"/admin/{DELIVERIES}/", {"action": "replay_selected", "_selected_action": [str(delivery.pk)]})
    assert Delivery.objects.count() == 1


def test_the_dashboard_points_to_deliveries_that_failed(browser, delivery):
    assert "Webhook deliveries that failed" not in page(browser, "")
    finish(delivery, "failed", status_code=500, error="the receiver answered 500")
    assert "Webhook deliveries that failed" in page(browser, "")


def test_the_dashboard_points_to_endpoints_that_receive_nothing(browser, endpoint):
    assert "Webhook endpoints" not in page(browser, "").split("</nav>")[-1]
    Endpoint.objects.update(first_failure_at=timezone.now() - timedelta(hours=2), consecutive_failures=4)
    assert "Webhook endpoints that fail" in page(browser, "")
    assert "https://example.com/hooks" in browser.get(f"/admin/{ENDPOINTS}/?health=failing").content.decode()
    Endpoint.objects.update(status="disabled", disabled_reason="failing")
    assert "Webhook endpoints that receive nothing" in page(browser, "")
    assert "Disabled: failing" in browser.get(f"/admin/{ENDPOINTS}/?health=broken").content.decode()
