"""What the pages show of decisions: bars, denials, what waits for a person, and the dashboard's tile."""

import re

import pytest

from metering.rules.models import AuthorizationRequest
from tests.backoffice.staff_members import employ, log_in
from tests.backoffice.test_settings import change
from tests.metering.rule_bodies import DAILY_CAP, create_rule

pytestmark = pytest.mark.django_db
REQUEST = "rules/authorizationrequest"


def costs(amount):
    return [{"fiatAmount": amount, "fiatAssetSymbol": "USD", "isEstimate": True}]


def text_of(response):
    """A page without its tags, blanks folded."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.fixture
def approver():
    return log_in(employ("anna", "approver", first_name="Anna", last_name="Ahn"))


@pytest.fixture
def viewer():
    return log_in(employ("vera", "viewer"))


def test_a_rules_page_shows_bars_by_group_and_the_last_denials(viewer, caller):
    rule = create_rule(caller, parameters=[DAILY_CAP | {"groupBy": ["agent"], "parameterName": "Day"}])
    caller.create(agentName="bot-1", costs=costs("7.5"))
    caller.create(costs=costs("10"))
    denied = caller.create(agentName="bot-1", costs=costs("3"))
    response = viewer.get(f"/admin/rules/spendingrule/{rule['id']}/change/")
    html, text = response.content.decode(), text_of(response)
    assert "Day bot-1 7.50 USD 2.50 USD" in text
    assert "Day no agent 10.00 USD 0.00 USD" in text
    assert 'aria-label="75 % used"' in html
    assert "ch-full" in html
    assert "Total transaction costs including this transaction (10.50 USD) would exceed limit of 10.00 USD in 24 hours" in text
    assert f"/admin/metering/transaction/{denied['id']}/change/" in html
    own = text_of(viewer.get(f"/admin/metering/transaction/{denied['id']}/change/"))
    assert "Decided by spending rules" in own


def test_a_call_that_waits_is_allowed_by_an_approver_with_a_reason(approver, caller):
    rule = create_rule(caller, resolutionStrategy="manual")
    waiting = caller.create(costs=costs("11"))
    assert waiting["status"] == "preparing"
    request = AuthorizationRequest.objects.get()
    assert "Calls waiting for a decision" in text_of(approver.get("/admin/"))
    shown = text_of(approver.get(f"/admin/{REQUEST}/{request.pk}/change/"))
    assert "It waits for a person." in shown
    assert "Daily cap: Total transaction costs including this transaction (11.00 USD)" in shown
    assert change(approver, f"{REQUEST}/{request.pk}/allow-call", reason="").context["form"].errors == {
        "reason": ["This field is required."]
    }
    change(approver, f"{REQUEST}/{request.pk}/allow-call", reason="Month end")
    after = caller.get(f"/v1/transactions/{waiting['id']}").json()
    assert after["status"] == "authorized"
    metadata = after["authorizationRequests"][0]["ruleExecutions"][0]["outputData"]["metadata"]
    assert metadata["override"]["reason"] == "Month end"
    assert metadata["override"]["by"].startswith("staff:")
    assert "allow-call" not in approver.get(f"/admin/{REQUEST}/{request.pk}/change/").content.decode()
    assert rule["resolutionStrategy"] == "manual"


def test_a_call_that_waits_is_denied_for_good(approver, caller):
    create_rule(caller, resolutionStrategy="manual")
    waiting = caller.create(costs=costs("11"))
    request = AuthorizationRequest.objects.get()
    change(approver, f"{REQUEST}/{request.pk}/deny-call", reason="Too much")
    after = caller.get(f"/v1/transactions/{waiting['id']}").json()
    assert after["status"] == "denied"
    again = change(approver, f"{REQUEST}/{request.pk}/allow-call", reason="After all")
    assert "can&#x27;t be" in again.content.decode()


@pytest.mark.parametrize("role", ["viewer", "clerk", "operator"])
def test_only_approvers_decide_what_waits(caller, role):
    create_rule(caller, resolutionStrategy="manual")
    caller.create(costs=costs("11"))
    request = AuthorizationRequest.objects.get()
    other = log_in(employ("olga", role))
    assert "allow-call" not in other.get(f"/admin/{REQUEST}/{request.pk}/change/").content.decode()
    for page in ("allow-call", "deny-call"):
        assert other.post(f"/admin/{REQUEST}/{request.pk}/{page}/", {"reason": "x", "step": "confirm"}).status_code == 403


def test_the_dashboard_shows_denials_of_today_and_the_limit_that_is_used_most(viewer, caller, outsider):
    assert "Most used limit" not in text_of(viewer.get("/admin/"))
    create_rule(caller)
    create_rule(outsider, name="Tight", parameters=[DAILY_CAP | {"limitValue": "2"}])
    caller.create(costs=costs("9"))
    caller.create(costs=costs("9"))
    one_tenant = log_in(employ("nora", "viewer", tenants=[caller.tenant]))
    text = text_of(one_tenant.get("/admin/"))
    assert "Calls denied today 1" in text
    assert "RL-001 Daily cap 9.00 of 10.00 USD" in text
    assert "Tight" not in text
