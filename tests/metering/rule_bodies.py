"""Rules as tests send them, and a caller's PUT."""

import json
from typing import Any

DAILY_CAP: dict[str, Any] = {
    "limitValue": "10.00",
    "measurementType": "sum_transaction_costs",
    "intervalValue": 24,
    "intervalUnit": "hours",
}


def rule_body(**members: Any) -> dict[str, Any]:
    """A rule that caps what all of the tenant's calls cost in any 24 hours."""
    return {"name": "Daily cap", "ruleType": "usage_limit", "parameters": [DAILY_CAP], **members}


def create_rule(caller: Any, **members: Any) -> dict[str, Any]:
    reply = caller.post("/v1/spending-rules", rule_body(**members))
    assert reply.status_code == 201, reply.content
    rule: dict[str, Any] = reply.json()
    return rule


def put(caller: Any, rule_id: str, body: dict[str, Any]) -> Any:
    address = f"/v1/spending-rules/{rule_id}"
    return caller.client.put(address, json.dumps(body), content_type="application/json", headers=caller.headers)
