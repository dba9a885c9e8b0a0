"""Calls of every operation of spending rules, whose real replies are examples of the OpenAPI document."""

from typing import Any

from metering.api.dialect import spending_rule_dialect
from metering.rules.choices import SYSTEM_RULE_ID

PATH = "/v1/spending-rules"
RULE: dict[str, Any] = {
    "name": "Daily cap per agent",
    "ruleType": "usage_limit",
    "parameters": [
        {
            "parameterName": "Any 24 hours",
            "limitValue": "10.00",
            "measurementType": "sum_transaction_costs",
            "intervalValue": 24,
            "intervalUnit": "hours",
            "groupBy": ["agent"],
        }
    ],
}


def define_rules(recorder: Any) -> None:
    """Create, list, read and change rules; `recorder` keeps requests and replies (api_examples.Recorder)."""
    agent = recorder._send("POST", "/v1/agents", {"label": "Crawler", "name": "crawler"}, {}).json()["id"]
    condition = {"fieldType": "service", "operator": "equals", "value": "openai"}
    rule = recorder.send("POST", PATH, RULE | {"conditions": [condition], "agentIds": [agent], "notifyAt": ["0.8", "1"]})
    one = f"{PATH}/{rule['id']}"
    recorder.send("GET", f"{PATH}?include=parameters,agents")
    recorder.send("GET", f"{PATH}/RL-001?include=parameters,conditions,agents")
    recorder.send("GET", f"{one}/parameters/{rule['parameters'][0]['id']}")
    recorder.send("GET", f"{one}/conditions/{rule['conditions'][0]['id']}")
    raised = rule["parameters"][0] | {"limitValue": "20.00"}
    recorder.send("PUT", one, {"version": 1, "parameters": [raised]})
    recorder.refuse("version_conflict", "PUT", one, {"version": 1, "status": "paused"})
    recorder.send("POST", f"{one}/parameters", {"limitValue": "0.50", "measurementType": "this_transaction_cost", "version": 2})


def decide_by_rules(recorder: Any) -> None:
    """A call that a rule lets through and one that it denies, and what the rule says of them."""
    call = {"serviceName": "openai", "actionName": "completion", "resourceName": "gpt-4o", "agentName": "crawler"}
    cost = {"fiatAssetSymbol": "USD", "isEstimate": True}
    recorder._send("POST", "/v1/transactions", call | {"costs": [cost | {"fiatAmount": "0.40"}]}, {})
    tried = call | {"costs": [cost | {"fiatAmount": "0.60"}]}
    recorder.send("POST", f"{PATH}/evaluate", tried)
    recorder._send("POST", "/v1/transactions", tried, {})
    recorder.send("GET", f"{PATH}/RL-001/usage")
    recorder.send("GET", f"{PATH}/RL-001/executions?filter[decision]=DENIED")
    recorder.send("GET", f"{PATH}/spend-limit-summary")


def archive_rules(recorder: Any) -> None:
    other = recorder._send("POST", PATH, RULE, {}).json()["id"]
    one = f"{PATH}/{other}"
    recorder.refuse("not_restorable", "POST", f"{one}/restore", {"version": 1})
    recorder.send("POST", f"{one}/archive", {"version": 1})
    recorder.refuse("not_archivable", "POST", f"{one}/archive", {"version": 2})
    recorder.refuse("rule_archived", "PUT", one, {"version": 2, "name": "Renamed"})
    recorder.send("POST", f"{one}/restore", {"version": 2})
    recorder.refuse("system_rule", "POST", f"{PATH}/{SYSTEM_RULE_ID}/archive", {"version": 1})
    recorder.describe("too_many_rules", dialect=spending_rule_dialect, max=500)


def rule_examples(recorder: Any) -> None:
    define_rules(recorder)
    decide_by_rules(recorder)
    archive_rules(recorder)
