"""The calls that define spending rules: create, list, read, change, archive, restore, and their parts."""

import pytest
from django.db import connection

from metering.rules.choices import SYSTEM_RULE_ID
from metering.rules.models import RuleVersion
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.metering.rule_bodies import DAILY_CAP, create_rule, put, rule_body

pytestmark = pytest.mark.django_db
RULES = "/v1/spending-rules"
MOMENT = "2026-01-01T00:00:00.000Z"
TYPES = "usage_limit, payment_authorization, allowlist, blocklist"


def undated(value):
    """A reply with every moment that is set replaced by one, and no ids but those of agents."""
    if isinstance(value, list):
        return [undated(part) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        name: MOMENT if name.endswith("At") and part and name != "notifyAt" else undated(part)
        for name, part in value.items()
        if name not in {"id", "ruleId", "tenantId"}
    }


def message(reply):
    return reply.json()["message"]


def test_a_rule_is_created_and_answered_flat(caller):
    agent = caller.post("/v1/agents", {"label": "bot-1"}).json()
    condition = {"fieldType": "qualifier", "fieldName": "env", "operator": "equals", "value": "prod"}
    rule = create_rule(caller, agentIds=[agent["id"]], metadata={"team": 1.50}, notifyAt=["0.8", "1"], conditions=[condition])
    assert rule["tenantId"] == str(caller.tenant.id)
    assert rule["lastEditedBy"] == {"apiKeyId": str(caller.issued.key.id)}
    moments = {"createdAt": MOMENT, "updatedAt": MOMENT}
    assert undated(rule) == {
        "numericId": 1,
        "formattedId": "RL-001",
        "name": "Daily cap",
        "ruleType": "usage_limit",
        "resolutionStrategy": "automatic",
        "status": "active",
        "version": 1,
        "metadata": {"team": 1.5},
        "notifyAt": ["0.8", "1"],
        "seeding": False,
        **moments,
        "deletedAt": None,
        "lastEditedBy": {"apiKeyId": str(caller.issued.key.id)},
        "conditions": [condition | {"conditionGroup": "primary", **moments}],
        "parameters": [
            {
                "parameterName": None,
                "limitValue": "10.000000000000000000",
                "measurementType": "sum_transaction_costs",
                "intervalValue": 24,
                "intervalUnit": "hours",
                "isRolling": True,
                "groupBy": None,
                "measurementScope": "all",
                "includeEstimates": True,
                "currency": "USD",
                "timeZone": "UTC",
                "description": None,
                **moments,
            }
        ],
        "agentRules": [{"agentId": agent["id"], **moments}],
    }


def test_metadata_comes_back_digit_for_digit_and_an_older_type_is_a_usage_limit(caller):
    reply = caller.post(RULES, '{"name": "n", "ruleType": "spending_limit", "metadata": {"b": 1.50, "a": 10000000000000000000000}}')
    assert reply.status_code == 201
    assert b'"metadata":{"b": 1.50, "a": 10000000000000000000000}' in reply.content
    assert reply.json()["ruleType"] == "usage_limit"


def test_an_empty_rule_breaks_every_requirement_in_the_published_order(caller):
    reply = caller.post(RULES, {})
    assert reply.status_code == 400
    assert reply.json() == {
        "message": [
            "name must be shorter than or equal to 255 characters",
            "name should not be empty",
            "name must be a string",
            "ruleType should not be empty",
            f"ruleType must be one of the following values: {TYPES}",
        ],
        "error": "Bad Request",
        "statusCode": 400,
    }


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"name": "n" * 256}, "name must be shorter than or equal to 255 characters"),
        ({"name": ""}, "name should not be empty"),
        ({"ruleType": "spend"}, f"ruleType must be one of the following values: {TYPES}"),
        ({"status": "archived"}, "status must be one of the following values: active, paused"),
        ({"resolutionStrategy": "ask"}, "resolutionStrategy must be one of the following values: automatic, manual"),
        ({"parameters": [DAILY_CAP | {"limitValue": 10}]}, "parameters.0.limitValue must be a string"),
        ({"parameters": [DAILY_CAP | {"limitValue": "ten"}]}, "parameters.0.limitValue must be a decimal string"),
        ({"parameters": [DAILY_CAP | {"limitValue": "-1"}]}, "parameters.0.limitValue must be a decimal string"),
        (
            {"parameters": [DAILY_CAP | {"measurementScope": "agent"}]},
            "parameters.0.measurementScope must be one of the following values: all, rule",
        ),
        ({"parameters": [DAILY_CAP | {"limitvalue": "1"}]}, "parameters.0.property limitvalue should not exist; did you mean limitValue?"),
        ({"parameters": [DAILY_CAP | {"currency": "usd"}]}, "parameters.0.currency must be a valid ISO 4217 currency code"),
        ({"parameters": [DAILY_CAP | {"timeZone": "Mars/Base"}]}, "parameters.0.timeZone must be an IANA time zone, as Europe/Berlin"),
        ({"parameters": [DAILY_CAP | {"intervalValue": None}]}, "parameters.0.intervalValue should not be empty for sum_transaction_costs"),
        ({"parameters": [DAILY_CAP | {"intervalValue": 0}]}, "parameters.0.intervalValue must not be less than 1 nor greater than 1000"),
        (
            {"parameters": [DAILY_CAP | {"intervalValue": 13, "intervalUnit": "months"}]},
            "parameters.0.intervalValue must not be longer than 366 days with its unit",
        ),
        (
            {"parameters": [DAILY_CAP | {"measurementType": "this_transaction_cost"}]},
            "parameters.0.intervalValue should not be set for this_transaction_cost",
        ),
        ({"parameters": [DAILY_CAP | {"groupBy": ["agent", "agent"]}]}, "parameters.0.groupBy.1 must not be there twice"),
        (
            {"parameters": [DAILY_CAP | {"groupBy": ["model"]}]},
            "parameters.0.groupBy.0 must be one of the following values: "
            "agent, service, action, resource, trace, customer, qualifier:<key>",
        ),
        (
            {"parameters": [DAILY_CAP | {"groupBy": ["agent", "service", "action", "trace"]}]},
            "parameters.0.groupBy must contain no more than 3 elements",
        ),
        (
            {"conditions": [{"fieldType": "agent", "operator": "equals", "value": "a"}]},
            "conditions.0.fieldType must be one of the following values: "
            "service, action, resource, qualifier, transaction_property, payment_property",
        ),
        (
            {"conditions": [{"fieldType": "service", "fieldName": "x", "operator": "equals", "value": "a"}]},
            "conditions.0.fieldName should not be set for service",
        ),
        (
            {"conditions": [{"fieldType": "qualifier", "operator": "equals", "value": "a"}]},
            "conditions.0.fieldName should not be empty for qualifier",
        ),
        (
            {"conditions": [{"fieldType": "payment_property", "fieldName": "payto", "operator": "equals", "value": "a"}]},
            "conditions.0.fieldName must be one of the following values: amount, network, asset, scheme, payTo, resource",
        ),
        (
            {"conditions": [{"fieldType": "service", "operator": "greater_than", "value": "many"}]},
            "conditions.0.value must be a decimal string",
        ),
        ({"conditions": [{"fieldType": "service", "operator": "equals", "value": 5}]}, "conditions.0.value must be a string"),
        ({"agentIds": ["bot-1"]}, "agentIds.0 must be a UUID"),
        ({"agentIds": [str(SYSTEM_RULE_ID)]}, "agentIds.0 is not an agent of this tenant"),
        ({"agentId": "x"}, "property agentId should not exist; did you mean agentIds?"),
        ({"notifyAt": ["0"]}, "notifyAt.0 must be greater than 0 and not greater than 10, with at most 6 decimals"),
        ({"notifyAt": ["0.8", "0.80"]}, "notifyAt.1 must not be there twice"),
        ({"metadata": []}, "metadata must be an object"),
    ],
)
def test_a_value_that_makes_no_rule_is_refused_by_its_name(caller, members, expected):
    reply = caller.post(RULES, rule_body(**members))
    assert reply.status_code == 400
    assert message(reply) == [expected]
    assert caller.get(RULES).json()["data"] == []


def test_a_required_member_of_a_part_breaks_each_of_its_requirements(caller):
    reply = caller.post(RULES, rule_body(parameters=[{}], conditions=[{}]))
    assert [text.partition(" ")[0] for text in message(reply)] == [
        *(f"conditions.0.{name}" for name in ("fieldType", "fieldType", "operator", "operator", "value", "value")),
        *(f"parameters.0.{name}" for name in ("limitValue", "limitValue", "measurementType", "measurementType")),
    ]


def test_the_agent_of_another_tenant_is_no_agent(caller, outsider):
    agent = outsider.post("/v1/agents", {"label": "bot"}).json()
    assert message(caller.post(RULES, rule_body(agentIds=[agent["id"]]))) == ["agentIds.0 is not an agent of this tenant"]


def test_rules_are_listed_newest_first_as_resources(caller, outsider):
    create_rule(outsider)
    first, second = create_rule(caller), create_rule(caller, name="Second")
    reply = caller.get(RULES).json()
    assert [item["id"] for item in reply["data"]] == [second["id"], first["id"]]
    assert reply["links"] == {"self": "/spending-rules?", "next": None, "prev": None}
    assert reply["meta"] == {"page": {"limit": 20, "hasNext": False, "hasPrev": False}}
    assert set(reply) == {"data", "links", "meta"}
    assert reply["data"][1] == {
        "type": "rules",
        "id": first["id"],
        "attributes": {
            name: first[name]
            for name in (
                *("numericId", "formattedId", "name", "ruleType", "resolutionStrategy", "status", "version", "metadata", "notifyAt"),
                *("seeding", "createdAt", "updatedAt"),
            )
        },
    }


def test_what_is_included_is_related_and_an_empty_relation_is_left_out(caller):
    agent = caller.post("/v1/agents", {"label": "Bot one", "name": "bot-1"}).json()
    rule = create_rule(caller, agentIds=[agent["id"]])
    reply = caller.get(RULES, include="parameters,conditions,agents,services,transactions").json()
    parameter = rule["parameters"][0]
    assert reply["data"][0]["relationships"] == {
        "agents": {"data": [{"type": "agents", "id": agent["id"]}]},
        "parameters": {"data": [{"type": "rule-parameters", "id": parameter["id"]}]},
    }
    attributes = {name: value for name, value in parameter.items() if name not in {"id", "ruleId", "tenantId"}}
    assert reply["included"] == [
        {
            "type": "agents",
            "id": agent["id"],
            "attributes": {"numericId": 1, "formattedId": "AG-001", "name": "bot-1", "label": "Bot one"},
        },
        {"type": "rule-parameters", "id": parameter["id"], "attributes": attributes},
    ]
    one = caller.get(f"{RULES}/RL-001", include="parameters").json()
    assert one["included"] == reply["included"][1:]
    assert set(one["data"]["relationships"]) == {"parameters"}


def test_the_list_is_filtered_and_paged(caller):
    agent, other = (caller.post("/v1/agents", {"label": name}).json()["id"] for name in ("a", "b"))
    for_agent, for_all, paused = create_rule(caller, agentIds=[agent]), create_rule(caller), create_rule(caller, status="paused")

    def listed(**query):
        return [item["id"] for item in caller.get(RULES, **query).json()["data"]]

    assert listed(**{"filter[status]": "paused"}) == [paused["id"]]
    assert listed(**{"filter[agent]": agent}) == [paused["id"], for_all["id"], for_agent["id"]]
    assert listed(**{"filter[agent]": other}) == [paused["id"], for_all["id"]]
    page = caller.get(RULES, **{"page[limit]": 2}).json()
    assert [item["id"] for item in page["data"]] == [paused["id"], for_all["id"]]
    assert page["links"]["next"].startswith("/spending-rules?page%5Blimit%5D=2&page%5Bafter%5D=")
    following = caller.client.get(f"/v1{page['links']['next']}", headers=caller.headers).json()
    assert [item["id"] for item in following["data"]] == [for_agent["id"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            {"include": "parameters,rules"},
            "include must be one of the following values: parameters, conditions, agents, services, transactions",
        ),
        ({"filter[status]": "off"}, "filter[status] must be one of the following values: active, paused, archived"),
        ({"page[limit]": "101"}, "page[limit] must not be greater than 100"),
        ({"page[after]": "x"}, "page[after] must be a cursor of this list"),
        ({"filter[state]": "active"}, "property filter[state] should not exist; did you mean filter[status]?"),
    ],
)
def test_an_unknown_parameter_of_the_list_is_refused(caller, query, expected):
    reply = caller.get(RULES, **query)
    assert reply.status_code == 400
    assert message(reply) == [expected]


def test_a_rule_is_read_by_its_id_and_by_its_number(caller, outsider):
    create_rule(outsider)
    rule = create_rule(caller)
    by_id, by_number = caller.get(f"{RULES}/{rule['id']}"), caller.get(f"{RULES}/RL-001")
    assert by_id.json() == by_number.json()
    assert by_id.json()["data"]["id"] == rule["id"]
    for unknown in ("RL-002", "RL-1", "rl-001", "x", rule["id"][:-1], "RL-" + "9" * 30):
        reply = caller.get(f"{RULES}/{unknown}")
        assert reply.status_code == 404
        assert reply.json() == {"message": f"Rule {unknown} not found", "error": "Not Found", "statusCode": 404}


def test_another_tenants_rule_is_not_found_by_any_call(caller, outsider):
    rule = create_rule(outsider)
    address = f"{RULES}/{rule['id']}"
    parameter = f"{address}/parameters/{rule['parameters'][0]['id']}"
    replies = [
        caller.get(address),
        put(caller, rule["id"], {"version": 1, "name": "taken"}),
        caller.post(f"{address}/archive", {"version": 1}),
        caller.post(f"{address}/restore", {"version": 1}),
        caller.post(f"{address}/parameters", DAILY_CAP),
        caller.get(parameter),
    ]
    assert [reply.status_code for reply in replies] == [404] * len(replies)
    own = create_rule(caller)
    assert caller.get(f"{RULES}/{own['id']}/parameters/{rule['parameters'][0]['id']}").status_code == 404


def test_a_rule_that_was_read_can_be_put_back(caller):
    agent = caller.post("/v1/agents", {"label": "bot-1"}).json()
    condition = {"fieldType": "service", "operator": "equals", "value": "openai"}
    rule = create_rule(caller, agentIds=[agent["id"]], conditions=[condition], parameters=[DAILY_CAP | {"groupBy": ["agent"]}])
    reply = put(caller, rule["id"], rule)
    assert reply.status_code == 200
    changed = reply.json()
    assert changed["version"] == 2
    assert changed["agentRules"][0].pop("agent") == agent
    same = ("version", "updatedAt")
    assert {name: value for name, value in changed.items() if name not in same} == {
        name: value for name, value in rule.items() if name not in same
    }
    assert reply.headers.get("Ignored-Fields") is None


def test_a_list_that_is_put_replaces_the_old_one_and_what_is_left_out_stays(caller):
    agents = [caller.post("/v1/agents", {"label": name}).json()["id"] for name in ("a", "b")]
    rule = create_rule(caller, agentIds=agents[:1], metadata={"a": 1})
    raised = rule["parameters"][0] | {"limitValue": "20"}
    per_call = {"limitValue": "1", "measurementType": "this_transaction_cost"}
    changed = put(caller, rule["id"], {"version": 1, "parameters": [raised, per_call], "agentIds": agents[1:]}).json()
    assert [(part["id"] == raised["id"], part["limitValue"]) for part in changed["parameters"]] == [
        (True, "20.000000000000000000"),
        (False, "1.000000000000000000"),
    ]
    assert [part["agentId"] for part in changed["agentRules"]] == agents[1:]
    assert (changed["metadata"], changed["name"]) == ({"a": 1}, "Daily cap")
    hourly = raised | {"intervalValue": 1}
    replaced = put(caller, rule["id"], {"version": 2, "parameters": [hourly], "agentIds": [], "notifyAt": []}).json()
    assert len(replaced["parameters"]) == 1
    assert replaced["parameters"][0]["id"] != raised["id"], "what is measured never changes in a parameter"
    assert replaced["agentRules"] == []
    old = caller.get(f"{RULES}/RL-001/parameters/{raised['id']}").json()
    assert (old["limitValue"], old["intervalValue"]) == ("20.000000000000000000", 24)


def test_a_rule_is_paused_and_activated_by_a_put(caller):
    rule = create_rule(caller)
    paused = put(caller, rule["id"], {"status": "paused", "version": 1}).json()
    assert (paused["status"], paused["version"]) == ("paused", 2)
    active = put(caller, rule["id"], {"status": "active", "version": 2}).json()
    assert (active["status"], active["version"]) == ("active", 3)


def test_a_put_from_another_version_is_a_conflict(caller):
    rule = create_rule(caller)
    for version in (2, 7):
        reply = put(caller, rule["id"], {"version": version, "name": "x"})
        assert reply.status_code == 409
        assert reply.json() == {"message": "Version conflict - rule was modified by another user", "error": "Conflict", "statusCode": 409}
    assert message(put(caller, rule["id"], {"name": "x"})) == ["version should not be empty", "version must be an integer number"]
    assert caller.get(f"{RULES}/RL-001").json()["data"]["attributes"]["name"] == "Daily cap"


def test_a_rule_is_archived_and_comes_back_paused(caller):
    rule = create_rule(caller)
    address = f"{RULES}/{rule['id']}"
    archived = caller.post(f"{address}/archive", {"version": 1})
    assert archived.status_code == 200
    assert (archived.json()["status"], archived.json()["version"], archived.json()["deletedAt"] is None) == ("archived", 2, False)
    assert caller.get(RULES).json()["data"] == []
    assert [item["id"] for item in caller.get(RULES, **{"filter[status]": "archived"}).json()["data"]] == [rule["id"]]
    for version in (1, 2):
        again = caller.post(f"{address}/archive", {"version": version})
        assert (again.status_code, message(again)) == (409, "Version conflict or rule already archived")
    edited = put(caller, rule["id"], {"version": 2, "name": "x"})
    assert (edited.status_code, message(edited)) == (409, f"Rule {rule['id']} is archived: restore it first")
    restored = caller.post(f"{address}/restore", {"version": 2}).json()
    assert (restored["status"], restored["version"], restored["deletedAt"]) == ("paused", 3, None)
    for version in (2, 3):
        again = caller.post(f"{address}/restore", {"version": version})
        assert (again.status_code, message(again)) == (409, "Version conflict or rule not archived")


def test_a_parameter_is_added_and_raises_the_version(caller):
    condition = {"fieldType": "service", "operator": "equals", "value": "openai"}
    rule = create_rule(caller, conditions=[condition])
    added = caller.post(f"{RULES}/RL-001/parameters", {"limitValue": "3", "measurementType": "this_transaction_cost", "version": 1})
    assert added.status_code == 201
    assert added.json()["ruleId"] == rule["id"]
    assert caller.get(f"{RULES}/RL-001/parameters/{added.json()['id']}").json() == added.json()
    shown = caller.get(f"{RULES}/{rule['id']}/conditions/{rule['conditions'][0]['id']}")
    assert shown.json() == rule["conditions"][0]
    assert caller.get(f"{RULES}/RL-001").json()["data"]["attributes"]["version"] == 2
    conflict = caller.post(f"{RULES}/RL-001/parameters", {"limitValue": "3", "measurementType": "this_transaction_cost", "version": 1})
    assert (conflict.status_code, message(conflict)) == (409, "Version conflict - rule was modified by another user")
    assert message(caller.post(f"{RULES}/RL-001/parameters", DAILY_CAP | {"intervalUnit": None})) == [
        "intervalUnit should not be empty for sum_transaction_costs"
    ]


@pytest.mark.parametrize("method", ["delete", "patch"])
def test_a_rule_is_neither_deleted_nor_patched(caller, method):
    rule = create_rule(caller)
    reply = getattr(caller.client, method)(f"{RULES}/{rule['id']}", headers=caller.headers)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "GET, PUT, HEAD, OPTIONS"
    assert reply.json()["error"] == "Method Not Allowed"


def test_the_system_rule_is_read_by_its_id_only_and_never_changed(caller):
    address = f"{RULES}/{SYSTEM_RULE_ID}"
    shown = caller.get(address).json()["data"]
    assert (shown["id"], shown["attributes"]["name"]) == (str(SYSTEM_RULE_ID), "System: Payment Authorization")
    assert shown["attributes"]["numericId"] == 1
    assert caller.get(RULES).json()["data"] == []
    assert caller.get(f"{RULES}/RL-001").status_code == 404
    replies = [
        put(caller, str(SYSTEM_RULE_ID), {"version": 1, "status": "paused"}),
        caller.post(f"{address}/archive", {"version": 1}),
        caller.post(f"{address}/restore", {"version": 1}),
        caller.post(f"{address}/parameters", DAILY_CAP),
    ]
    assert {(reply.status_code, message(reply)) for reply in replies} == {(403, "System rules cannot be changed")}


def test_a_key_that_may_only_meter_sees_and_changes_no_rules(caller):
    rule = create_rule(caller)
    meters = Caller(IssuedKeyFactory(tenant=caller.tenant, scopes=["metering:read", "metering:write"]))
    reads = Caller(IssuedKeyFactory(tenant=caller.tenant, scopes=["rules:read"]))
    assert (meters.get(RULES).status_code, message(meters.get(RULES))) == (403, "The key lacks the right rules:read")
    assert message(meters.post(RULES, rule_body())) == "The key lacks the right rules:write"
    assert reads.get(f"{RULES}/RL-001").status_code == 200
    assert put(reads, rule["id"], {"version": 1}).status_code == 403
    assert caller.client.get(RULES).status_code == 401


def test_a_repeated_call_with_its_key_is_answered_with_the_first_outcome(caller):
    key = {"Idempotency-Key": "rule-1"}
    first = caller.post(RULES, rule_body(), **key)
    again = caller.post(RULES, rule_body(parameters=[DAILY_CAP | {"limitValue": "10", "isRolling": True}]), **key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    other = caller.post(RULES, rule_body(name="Other"), **key)
    assert (other.status_code, message(other)) == (
        409,
        f"The idempotency key was used before with other facts (name); the first row is {first.json()['id']}",
    )
    address = f"{RULES}/{first.json()['id']}"
    calls = [("archive", {"version": 1}), ("restore", {"version": 2}), ("parameters", DAILY_CAP)]
    for call, body in calls:
        replies = [caller.post(f"{address}/{call}", body, **{"Idempotency-Key": call}) for _ in range(2)]
        assert replies[0].json() == replies[1].json()
        assert [reply.headers.get("Idempotent-Replayed") for reply in replies] == [None, "true"]
    assert len(caller.get(RULES).json()["data"]) == 1


def test_every_version_is_kept_as_it_was(caller):
    rule = create_rule(caller, metadata={"a": 1})
    put(caller, rule["id"], {"version": 1, "parameters": []})
    caller.post(f"{RULES}/RL-001/archive", {"version": 2})
    caller.post(f"{RULES}/RL-001/restore", {"version": 3})
    versions = RuleVersion.objects.filter(rule_id=rule["id"]).order_by("version")
    assert [(version.version, version.change) for version in versions] == [
        (1, "created"),
        (2, "updated"),
        (3, "archived"),
        (4, "restored"),
    ]
    assert '"limit_value": "10"' in versions[0].definition
    assert versions[0].definition.endswith('"metadata": {"a": 1}}')
    assert '"parameters": []' in versions[1].definition
    assert versions[0].actor == f"api_key:{caller.issued.key.id}"


def test_a_tenant_has_a_bounded_number_of_rules(caller, monkeypatch):
    monkeypatch.setattr("metering.rules.services.definitions.MAX_RULES", 1)
    rule = create_rule(caller)
    reply = caller.post(RULES, rule_body())
    assert (reply.status_code, message(reply)) == (409, "A tenant has at most 1 rules that are not archived")
    caller.post(f"{RULES}/{rule['id']}/archive", {"version": 1})
    assert create_rule(caller)["formattedId"] == "RL-002"


def test_a_page_of_rules_is_read_with_a_fixed_number_of_queries(caller, django_assert_num_queries):
    for _ in range(3):
        create_rule(caller)
    caller.get(RULES)
    with django_assert_num_queries(4, connection=connection):
        assert len(caller.get(RULES, include="parameters,conditions").json()["data"]) == 3
