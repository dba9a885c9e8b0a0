"""The pages of spending rules: what a rule says, the forms that make and change one, and who may use them."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kernel.tenants.models import Tenant
from metering.rules.models import RuleCounter, RuleCounterEntry, RuleVersion, SpendingRule
from tests.backoffice.staff_members import employ, log_in
from tests.backoffice.test_settings import change
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.metering.rule_bodies import DAILY_CAP, create_rule

pytestmark = pytest.mark.django_db
RULE = "rules/spendingrule"
# What the form of a new rule sends for a cap of 10 USD in any 24 hours, with nothing else changed.
FORM = {
    "name": "Cap of bot-1",
    "kind": "spend",
    "limit": "10.00",
    "currency": "USD",
    "interval_value": "24",
    "interval_unit": "hours",
    "window": "rolling",
    "time_zone": "UTC",
    "per": "",
    "scope": "rule",
    "estimates": "count",
    "strategy": "automatic",
    "notify": "80, 100",
    "status": "active",
}


@pytest.fixture
def operator():
    return log_in(employ("olga", "operator"))


@pytest.fixture
def bot(caller):
    return caller.post("/v1/agents", {"label": "bot-1"}).json()["id"]


def made():
    return SpendingRule.objects.get()


def page_of(operator, rule):
    return operator.get(f"/admin/{RULE}/{rule.pk if hasattr(rule, 'pk') else rule['id']}/change/").content.decode()


def test_a_rule_of_costs_is_in_the_tenants_currency_or_says_that_it_limits_nothing(operator, caller):
    Tenant.objects.filter(pk=caller.tenant.pk).update(currency="SEK")
    path, sentence = f"/admin/{RULE}/new-rule/?tenant={caller.tenant.id}", "None of the tenant&#x27;s costs is in USD"
    assert operator.get(path).context["form"]["currency"].value() == "SEK"
    assert sentence in operator.post(path, {**FORM, "step": "preview"}).content.decode()
    assert sentence not in operator.post(path, {**FORM, "currency": "SEK", "step": "preview"}).content.decode()
    cost = {"fiatAmount": "1", "fiatAssetSymbol": "USD", "isEstimate": False}
    assert caller.post("/v1/transactions", {"serviceName": "s", "actionName": "a", "resourceName": "r", "costs": [cost]}).status_code == 201
    assert sentence not in operator.post(path, {**FORM, "step": "preview"}).content.decode()
    refused = operator.post(path, {**FORM, "limit": "-4", "step": "preview"}).content.decode()
    assert "be negative" in refused


def test_a_rule_is_made_by_the_form_and_read_as_a_sentence(operator, caller, bot):
    preview = operator.post(f"/admin/{RULE}/new-rule/?tenant={caller.tenant.id}", {**FORM, "agents": [bot], "step": "preview"})
    assert "Agent bot-1 may spend 10.00 USD in any 24 hours." in preview.content.decode()
    change(operator, f"{RULE}/new-rule", tenant=caller.tenant, **FORM, agents=[bot])
    shown = caller.get("/v1/spending-rules/RL-001", include="parameters,agents").json()
    attributes, included = shown["data"]["attributes"], {part["type"]: part["attributes"] for part in shown["included"]}
    assert (attributes["name"], attributes["ruleType"], attributes["notifyAt"]) == ("Cap of bot-1", "usage_limit", ["0.8", "1"])
    wanted = {"limitValue": "10.000000000000000000", "intervalValue": 24, "intervalUnit": "hours", "measurementScope": "rule"}
    assert included["rule-parameters"].items() >= wanted.items()
    assert included["agents"]["name"] == "bot-1"
    assert "Agent bot-1 may spend 10.00 USD in any 24 hours." in page_of(operator, made())
    assert "Agent bot-1 may spend 10.00 USD in any 24 hours." in operator.get(f"/admin/{RULE}/").content.decode()
    assert RuleVersion.objects.get().actor.startswith("staff:")


def test_a_form_that_is_sent_twice_makes_one_rule(operator, caller):
    path = f"/admin/{RULE}/new-rule/?tenant={caller.tenant.id}"
    preview = operator.post(path, {**FORM, "step": "preview"})
    hidden = {"standing": preview.context["standing"], "form_id": preview.context["form_id"], "step": "confirm"}
    for _ in range(2):
        operator.post(path, {**FORM, **hidden})
    assert SpendingRule.objects.count() == 1


def test_only_the_fields_that_fit_count(operator, caller):
    blocks = FORM | {"kind": "block", "limit": "nonsense", "currency": "", "interval_value": "", "what_1": "resource", "how_1": "contains"}
    change(operator, f"{RULE}/new-rule", tenant=caller.tenant, **blocks, value_1="gpt-4")
    shown = caller.get("/v1/spending-rules/RL-001", include="parameters,conditions").json()
    assert shown["data"]["attributes"]["ruleType"] == "blocklist"
    [condition] = shown["included"]
    assert condition["attributes"].items() >= {"fieldType": "resource", "operator": "contains", "value": "gpt-4"}.items()
    assert "Calls of any agent where the resource contains gpt-4 are refused." in page_of(operator, made())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"limit": "ten"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"currency": "XXXX"}, "currency"),
        # What only the service refuses is said before anything is confirmed, too.
        ({"notify": "20000000"}, "notify"),
        ({"what_1": "service", "how_1": "greater_than", "value_1": "x"}, "__all__"),
        ({"interval_value": "1001"}, "interval_value"),
        ({"per": "qualifier", "qualifier": ""}, "qualifier"),
        ({"what_1": "qualifier", "how_1": "equals", "value_1": "x"}, "key_1"),
        ({"what_1": "service", "how_1": "equals"}, "value_1"),
        ({"notify": "most"}, "notify"),
        ({"name": ""}, "name"),
    ],
)
def test_a_form_that_makes_no_rule_says_which_field(operator, caller, values, field):
    response = operator.post(f"/admin/{RULE}/new-rule/?tenant={caller.tenant.id}", {**FORM, **values, "step": "preview"})
    assert set(response.context["form"].errors) == {field}
    assert SpendingRule.objects.count() == 0


def test_what_a_rule_does_not_do_is_said_before_it_is_made_and_on_its_page(operator, caller, bot):
    for_all = FORM | {"scope": "all", "estimates": "ignore", "agents": [bot]}
    path = f"/admin/{RULE}/new-rule/?tenant={caller.tenant.id}"
    preview = operator.post(path, {**for_all, "step": "preview"}).content.decode()
    change(operator, f"{RULE}/new-rule", tenant=caller.tenant, **for_all)
    for html in (preview, page_of(operator, made())):
        assert "its sum counts all of the tenant&#x27;s: others can use it up" in html
        assert "it is a brake, not a cap" in html
    create_rule(caller, parameters=[])
    empty = SpendingRule.objects.get(numeric_id=2)
    assert "A usage limit without a limit lets everything pass" in page_of(operator, empty)


def test_a_limit_is_raised_and_another_one_added(operator, caller):
    rule = create_rule(caller, parameters=[DAILY_CAP, {"limitValue": "1", "measurementType": "this_transaction_cost"}])
    change(operator, f"{RULE}/{rule['id']}/change-limits", limit_0="25", limit_1="1")
    change(operator, f"{RULE}/{rule['id']}/add-limit", **FORM | {"kind": "calls", "limit": "100", "per": "agent"})
    shown = [part["attributes"] for part in caller.get("/v1/spending-rules/RL-001", include="parameters").json()["included"]]
    assert [(part["limitValue"][:6], part["measurementType"]) for part in shown] == [
        ("25.000", "sum_transaction_costs"),
        ("1.0000", "this_transaction_cost"),
        ("100.00", "count_transactions"),
    ]
    html = page_of(operator, rule)
    assert "Each agent may make 100 calls in any 24 hours." in html
    assert "updated" in html


def test_a_rule_is_edited_paused_put_in_force_archived_and_restored(operator, caller, bot):
    rule = create_rule(caller)
    edited = {"name": "New name", "agents": [bot], "strategy": "manual", "notify": "50", "what_1": "service", "how_1": "equals"}
    change(operator, f"{RULE}/{rule['id']}/change-rule", **edited, value_1="openai")
    assert "waits for a person" in page_of(operator, rule)
    for page, status, offered in (
        ("pause-rule", "paused", "Put the rule in force"),
        ("activate-rule", "active", "Pause the rule"),
        ("archive-rule", "archived", "Restore the rule"),
        ("restore-rule", "paused", "Archive the rule"),
    ):
        change(operator, f"{RULE}/{rule['id']}/{page}")
        assert made().status == status
        assert offered in page_of(operator, rule)
    assert made().version == 6


def test_a_change_of_somebody_else_in_between_is_shown_first(operator, caller):
    rule = create_rule(caller)
    path = f"/admin/{RULE}/{rule['id']}/change-limits/"
    preview = operator.post(path, {"limit_0": "20", "step": "preview"})
    change(operator, f"{RULE}/{rule['id']}/pause-rule")
    hidden = {"standing": preview.context["standing"], "form_id": preview.context["form_id"], "step": "confirm"}
    assert "changed meanwhile by somebody else" in operator.post(path, {"limit_0": "20", **hidden}).content.decode()


def test_what_the_api_made_with_more_conditions_keeps_them(operator, caller):
    conditions = [{"fieldType": "service", "operator": "not_equals", "value": str(number)} for number in range(4)]
    rule = create_rule(caller, conditions=conditions)
    change(operator, f"{RULE}/{rule['id']}/change-rule", name="Renamed", strategy="automatic", notify="")
    shown = caller.get("/v1/spending-rules/RL-001", include="conditions").json()
    assert shown["data"]["attributes"]["name"] == "Renamed"
    assert len(shown["included"]) == 4


@pytest.mark.parametrize("role", ["viewer", "clerk", "approver"])
def test_rules_are_seen_by_every_role_and_changed_by_operators_only(caller, role):
    rule = create_rule(caller)
    reader = log_in(employ("vera", role))
    html = page_of(reader, rule)
    assert "All agents together may spend 10.00 USD in any 24 hours." in html
    assert "pause-rule" not in html
    for page in ("change-rule", "change-limits", "add-limit", "pause-rule", "archive-rule"):
        assert reader.post(f"/admin/{RULE}/{rule['id']}/{page}/", {"step": "confirm"}).status_code == 403
    assert reader.post(f"/admin/{RULE}/new-rule/?tenant={caller.tenant.id}", {**FORM, "step": "confirm"}).status_code == 403
    assert made().version == 1


def test_staff_of_one_tenant_do_not_see_the_rules_of_another(caller, outsider):
    rule = create_rule(caller)
    stranger = log_in(employ("nora", "operator", tenants=[outsider.tenant]))
    assert stranger.get(f"/admin/{RULE}/{rule['id']}/change/").status_code == 302
    assert "Daily cap" not in stranger.get(f"/admin/{RULE}/").content.decode()
    assert stranger.post(f"/admin/{RULE}/{rule['id']}/pause-rule/", {"step": "confirm"}).status_code == 404


def test_a_list_of_rules_takes_a_fixed_number_of_queries(operator, caller, bot):
    counts = []
    for _ in range(2):
        create_rule(caller, agentIds=[bot])
        operator.get(f"/admin/{RULE}/")
        with CaptureQueriesContext(connection) as queries:
            operator.get(f"/admin/{RULE}/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


CALL = {"costs": [{"fiatAmount": "4", "fiatAssetSymbol": "USD", "isEstimate": False}]}


def test_a_dry_run_says_what_the_rule_would_have_refused(operator, caller, outsider, bot):
    for agent in ("bot-1", "bot-1", "bot-1", "bot-2"):
        caller.create(agentName=agent, **CALL)
    outsider.create(agentName="bot-1", **CALL)
    for members, expected in (
        ({"agentIds": [bot], "parameters": [DAILY_CAP | {"measurementScope": "rule"}]}, "it applies to 3 and would have refused 1."),
        ({"parameters": [DAILY_CAP]}, "it applies to 4 and would have refused 2."),
        ({"parameters": [DAILY_CAP | {"groupBy": ["agent"]}]}, "it applies to 4 and would have refused 1."),
        ({"parameters": [DAILY_CAP | {"limitValue": "12"}], "agentIds": [bot]}, "it applies to 3 and would have refused 0."),
        ({"ruleType": "blocklist", "parameters": [], "agentIds": [bot]}, "it applies to 3 and would have refused 3."),
        (
            {
                "ruleType": "allowlist",
                "parameters": [],
                "agentIds": [bot],
                "conditions": [{"fieldType": "resource", "operator": "equals", "value": "o3"}],
            },
            "it applies to 0 and would have refused 3.",
        ),
    ):
        rule = create_rule(caller, status="paused", **members)
        html = operator.get(f"/admin/{RULE}/{rule['id']}/dry-run/").content.decode()
        assert f"Of 4 calls of the last 7 days, {expected}" in html
    assert "metering/transaction/" in html
    assert len(caller.get("/v1/transactions").json()["data"]) == 4


def test_a_dry_run_names_the_limits_and_needs_no_rule(operator, caller):
    for _ in range(3):
        caller.create(**CALL)
    path = f"/admin/{RULE}/new-rule/?tenant={caller.tenant.id}"
    preview = operator.post(path, {**FORM, "limit": "5", "step": "preview"}).content.decode()
    assert "Of 3 calls of the last 7 days, it applies to 3 and would have refused 2." in preview
    rule = create_rule(caller, parameters=[DAILY_CAP, {"limitValue": "3.5", "measurementType": "this_transaction_cost"}], status="paused")
    html = operator.get(f"/admin/{RULE}/{rule['id']}/dry-run/").content.decode()
    assert "3.50 USD would have refused 3." in html
    empty = Caller(IssuedKeyFactory())
    other = create_rule(empty)
    assert "No call was recorded" in operator.get(f"/admin/{RULE}/{other['id']}/dry-run/").content.decode()


def test_a_rule_is_found_by_its_number_and_its_name(operator, caller):
    create_rule(caller, name="Other")
    rule = create_rule(caller)
    for term in ("RL-002", "2", "Daily cap", rule["id"]):
        found = operator.get(f"/admin/{RULE}/", {"q": term}).context["cl"].result_list
        assert [str(row.pk) for row in found] == [rule["id"]]


@pytest.mark.parametrize(("kind", "unit"), [("spend", "USD"), ("calls", "calls")])
def test_what_a_limit_counts_has_its_unit_on_every_list_and_page(operator, caller, bot, kind, unit):
    form = {**FORM, "kind": kind, "limit": "10", "per": "agent"}
    change(operator, f"{RULE}/new-rule", tenant=caller.tenant, **form)
    caller.create(agentName="bot-1", costs=[{"fiatAmount": "3", "fiatAssetSymbol": "USD", "isEstimate": False}])
    pages = [f"/admin/rules/{name}/" for name in ("rulecounter", "rulecounterentry", "ruleparameter")]
    pages += [f"/admin/rules/{model._meta.model_name}/{model.objects.get().pk}/change/" for model in (RuleCounter, RuleCounterEntry)]
    for path in [*pages, f"/admin/{RULE}/{made().pk}/change/"]:
        html = operator.get(path).content.decode()
        amounts = re.findall(r'<span class="money[^"]*">[^<]*<span>([^<]*)</span>', html)
        assert amounts, path
        assert set(amounts) <= {unit, unit.removesuffix("s")}, path
    assert "bot-1" in operator.get("/admin/rules/rulecounter/").content.decode()
