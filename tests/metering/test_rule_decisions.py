"""What the calls of spending rules say about decisions: usage, executions, trying out, the summary, and the list of transactions."""

import pytest

from metering.rules.choices import SYSTEM_RULE_ID
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.metering.rule_bodies import DAILY_CAP, create_rule, put

pytestmark = pytest.mark.django_db
RULES = "/v1/spending-rules"
CALL = {"serviceName": "openai", "actionName": "chat", "resourceName": "gpt-4"}


def costs(amount):
    return [{"fiatAmount": amount, "fiatAssetSymbol": "USD", "isEstimate": True}]


def full(amount):
    whole, _, fraction = amount.partition(".")
    return f"{whole}.{fraction:0<18}"


def test_the_usage_of_a_rule_says_what_is_left_and_when_it_comes_back(caller, outsider):
    rule = create_rule(caller, parameters=[DAILY_CAP | {"groupBy": ["agent"], "parameterName": "Day"}])
    assert caller.get(f"{RULES}/RL-001/usage").json()["data"][0]["used"] == full("0")
    made = [caller.create(agentName=name, costs=costs(amount)) for name, amount in (("a", "4"), ("a", "3"), ("b", "1"))]
    outsider.create(agentName="a", costs=costs("9"))
    data = caller.get(f"{RULES}/{rule['id']}/usage").json()["data"]
    assert [(line["group"], line["used"], line["remaining"]) for line in data] == [
        ({"agent": made[0]["agentId"]}, full("7"), full("3")),
        ({"agent": made[2]["agentId"]}, full("1"), full("9")),
    ]
    first = data[0]
    assert set(first) == {
        *("parameterId", "parameterName", "measurementType", "intervalValue", "intervalUnit", "currency", "group", "limitValue", "used"),
        *("remaining", "windowStart", "windowEnd", "nextAt", "resetsAt", "tightestAt"),
    }
    assert (first["parameterId"], first["parameterName"], first["limitValue"]) == (rule["parameters"][0]["id"], "Day", full("10"))
    assert first["windowEnd"] is None
    assert first["windowStart"] < first["tightestAt"] < first["nextAt"] < first["resetsAt"]
    assert outsider.get(f"{RULES}/{rule['id']}/usage").status_code == 404


def test_a_denied_create_is_recorded_and_its_executions_name_the_rule(caller, outsider):
    rule = create_rule(caller)
    allowed, denied = caller.create(costs=costs("9")), caller.create(costs=costs("2"))
    assert (allowed["status"], denied["status"], denied["costs"]) == ("authorized", "denied", [])
    assert [caller.get(f"/v1/transactions/{row['id']}").json()["costs"] for row in (allowed, denied)] == [allowed["costs"], []]
    reason = "Total transaction costs including this transaction (11.00 USD) would exceed limit of 10.00 USD in 24 hours"
    assert denied["declineReason"] == reason
    page = caller.get(f"{RULES}/RL-001/executions").json()
    assert [item["transactionId"] for item in page["data"]] == [denied["id"], allowed["id"]]
    assert page["links"]["self"] == "/spending-rules/RL-001/executions?"
    execution = page["data"][0]
    assert execution["rule"] == {"id": rule["id"], "numericId": 1, "name": "Daily cap"}
    assert (execution["status"], execution["outputData"]["decision"], execution["outputData"]["reason"]) == ("denied", "DENIED", reason)
    [violation] = execution["outputData"]["metadata"]["violations"]
    assert (violation["limitValue"], violation["used"], violation["currentValue"]) == (10, 9, 11)
    for decision, transaction in (("DENIED", denied), ("ALLOWED", allowed)):
        found = caller.get(f"{RULES}/RL-001/executions", **{"filter[decision]": decision}).json()["data"]
        assert [item["transactionId"] for item in found] == [transaction["id"]]
    first = caller.get(f"{RULES}/RL-001/executions", **{"page[limit]": 1}).json()
    following = caller.client.get(f"/v1{first['links']['next']}", headers=caller.headers).json()
    assert [item["transactionId"] for item in following["data"]] == [allowed["id"]]
    assert outsider.get(f"{RULES}/{rule['id']}/executions").status_code == 404
    wrong = caller.get(f"{RULES}/RL-001/executions", **{"filter[decision]": "no"})
    assert wrong.json()["message"] == ["filter[decision] must be one of the following values: ALLOWED, DENIED"]


def test_a_transaction_is_tried_out_without_a_trace(caller):
    create_rule(caller)
    tried = {"agentName": "new", "traceExternalId": "new", **CALL}
    allowed = caller.post(f"{RULES}/evaluate", tried | {"costs": costs("10")}).json()
    denied = caller.post(f"{RULES}/evaluate", tried | {"costs": costs("10.01")}).json()
    assert (allowed["decision"], allowed["reason"]) == ("ALLOWED", None)
    assert denied["decision"] == "DENIED"
    assert denied["reason"] == denied["executions"][0]["outputData"]["reason"]
    assert caller.get("/v1/transactions").json()["data"] == []
    assert caller.get("/v1/agents").json()["data"] == []
    assert caller.get(f"{RULES}/RL-001/usage").json()["data"][0]["used"] == full("0")
    assert caller.get(f"{RULES}/RL-001/executions").json()["data"] == []
    real = caller.create(costs=costs("10.01"))
    assert (real["status"], real["declineReason"]) == ("denied", denied["reason"])


def test_a_key_that_reads_rules_may_try_a_transaction_out(caller):
    create_rule(caller)
    reader = Caller(IssuedKeyFactory(tenant=caller.tenant, scopes=["rules:read"]))
    meters = Caller(IssuedKeyFactory(tenant=caller.tenant, scopes=["metering:write"]))
    assert reader.post(f"{RULES}/evaluate", CALL).status_code == 200
    assert meters.post(f"{RULES}/evaluate", CALL).status_code == 403
    wrong = reader.post(f"{RULES}/evaluate", CALL | {"serviceName": 5})
    assert (wrong.status_code, wrong.json()["message"]) == (400, ["serviceName must be a string"])


def test_the_summary_is_of_the_limit_that_is_used_most(caller, outsider):
    empty = caller.get(f"{RULES}/spend-limit-summary").json()
    assert empty["data"] == {
        "type": "spend-limit-summary",
        "id": str(caller.tenant.id),
        "attributes": {"limitUsd": None, "windowSpendUsd": None, "ruleId": None},
    }
    assert empty["meta"]["organizationId"] == str(caller.tenant.id)
    count = {"limitValue": "1", "measurementType": "count_transactions", "intervalValue": 1, "intervalUnit": "days"}
    wide, tight = create_rule(caller, parameters=[DAILY_CAP | {"limitValue": "100"}, count | {"limitValue": "50"}]), create_rule(caller)
    create_rule(caller, parameters=[DAILY_CAP | {"limitValue": "8"}], status="paused")
    create_rule(outsider)
    caller.create(costs=costs("4"))
    attributes = caller.get(f"{RULES}/spend-limit-summary").json()["data"]["attributes"]
    assert attributes == {"limitUsd": full("10"), "windowSpendUsd": full("4"), "ruleId": tight["id"]}
    put(caller, tight["id"], {"version": 1, "status": "paused"})
    assert caller.get(f"{RULES}/spend-limit-summary").json()["data"]["attributes"]["ruleId"] == wide["id"]


def test_transactions_are_listed_by_the_rule_that_decided_on_them(caller):
    before = caller.create(costs=costs("1"))
    condition = {"fieldType": "service", "operator": "equals", "value": "openai"}
    rule = create_rule(caller, conditions=[condition])
    decided, other = caller.create(costs=costs("2")), caller.create(serviceName="anthropic", costs=costs("2"))
    for reference in (rule["id"], "RL-001"):
        found = caller.get("/v1/transactions", **{"filter[rule]": reference}).json()["data"]
        assert [item["id"] for item in found] == [decided["id"]]
    assert len({before["id"], decided["id"], other["id"]}) == 3
    for unknown in ("RL-002", str(SYSTEM_RULE_ID)):
        assert caller.get("/v1/transactions", **{"filter[rule]": unknown}).json()["data"] == []
    wrong = caller.get("/v1/transactions", **{"filter[rule]": "daily"})
    assert wrong.status_code == 400
    assert wrong.json()["message"][0].startswith("filter[rule] must match")


def test_a_raised_limit_keeps_what_is_used_and_decides_the_next_call(caller):
    rule = create_rule(caller)
    caller.create(costs=costs("9"))
    assert caller.create(costs=costs("5"))["status"] == "denied"
    put(caller, rule["id"], {"version": 1, "parameters": [rule["parameters"][0] | {"limitValue": "20"}]})
    assert caller.get(f"{RULES}/RL-001/usage").json()["data"][0]["used"] == full("9")
    assert caller.create(costs=costs("5"))["status"] == "authorized"
    execution = caller.get(f"{RULES}/RL-001/executions").json()["data"][0]
    assert execution["outputData"]["metadata"]["ruleVersion"] == 2


def test_the_system_rule_has_no_usage_and_no_executions(caller):
    assert caller.get(f"{RULES}/{SYSTEM_RULE_ID}/usage").json() == {"data": []}
    assert caller.get(f"{RULES}/{SYSTEM_RULE_ID}/executions").json()["data"] == []
