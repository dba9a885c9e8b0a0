"""POST /v1/transactions."""

import base64
import json
import re
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.integrity import checks
from metering.models import Agent, Cost, Rollup, Service, StatusChange, Trace, Transaction

URL = "/v1/transactions"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")


def error(message, status=400, word="Bad Request"):
    return {"message": message, "error": word, "statusCode": status}


def test_the_published_example_is_recorded_as_it_stands(caller, example):
    reply = caller.post(URL, example)
    assert reply.status_code == 201
    body = reply.json()
    transaction, agent, [cost] = Transaction.objects.get(), Agent.objects.get(), Cost.objects.all()
    moment = body["createdAt"]
    assert MOMENT.match(moment)
    tenant = str(caller.tenant.id)
    assert body == {
        "id": str(transaction.id),
        "tenantId": tenant,
        "organizationId": tenant,
        "serviceName": "openai",
        "actionName": "completion",
        "resourceName": "gpt-4",
        "serviceId": str(Service.objects.get().id),
        "service": "openai",
        "status": "authorized",
        "requiresPayment": False,
        "qualifiers": {"model": "gpt-4", "tokens": 1000},
        "metadata": None,
        "occurredAt": moment,
        "createdAt": moment,
        "updatedAt": moment,
        "preparingAt": None,
        "authorizedAt": moment,
        "deniedAt": None,
        "cancelledAt": None,
        "completedAt": None,
        "outcome": None,
        "declineReason": None,
        "currentPaymentTransactionId": None,
        "payment": None,
        "trace": {"id": "123e4567-e89b-12d3-a456-426614174000", "externalId": "checkout-session-abc123"},
        "traceId": "123e4567-e89b-12d3-a456-426614174000",
        "agentId": str(agent.id),
        "agent": {
            "id": str(agent.id),
            "tenantId": tenant,
            "label": "marketing-agent-99",
            "name": "marketing-agent-99",
            "description": None,
            "status": "active",
            "customerId": None,
            "createdAt": body["agent"]["createdAt"],
            "updatedAt": body["agent"]["createdAt"],
        },
        "customerId": None,
        "apiKeyId": str(caller.issued.key.id),
        "costs": [
            {
                "id": str(cost.id),
                "transactionId": str(transaction.id),
                "tenantId": tenant,
                "organizationId": tenant,
                "paymentTransactionId": None,
                "fiatAmount": "0.050000000000000000",
                "fiatAssetId": body["costs"][0]["fiatAssetId"],
                "fiatAssetSymbol": "USD",
                "isEstimate": True,
                "isActive": True,
                "supersedesCostId": None,
                "supersededAt": None,
                "inferredFromFactId": None,
                "costDetails": {"provider": "anthropic", "model": "claude-3-5-sonnet-20241022", "inputTokens": 1000},
                "occurredAt": moment,
                "createdAt": moment,
                "updatedAt": moment,
            }
        ],
    }
    UUID(body["costs"][0]["fiatAssetId"])
    assert caller.read(str(transaction.id)) == body
    assert caller.get(URL).json()["data"] == [body]
    assert json.loads(transaction.request_facts) == json.loads(example)["requestFacts"]
    assert list(StatusChange.objects.values_list("from_status", "to_status", "actor")) == [
        (None, "authorized", f"api_key:{caller.issued.key.id}")
    ]


def test_every_form_of_the_key_authenticates(caller):
    issued = caller.issued
    basic = base64.b64encode(issued.basic.encode()).decode()
    for headers in ({"Authorization": f"Bearer {issued.token}"}, {"x-api-key": issued.token}, {"Authorization": f"Basic {basic}"}):
        reply = caller.client.get(URL, headers=headers, content_type="application/json")
        assert reply.status_code == 200
        reply = caller.client.post(URL, '{"serviceName": "s"}', content_type="application/json", headers=headers)
        assert reply.status_code == 201


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "ch_0_0"}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic !"}])
def test_a_bad_key_gets_401_without_details(caller, headers):
    for method in ("get", "post"):
        reply = getattr(caller.client, method)(URL, headers=headers)
        assert reply.status_code == 401
        assert reply.json() == error("Unauthorized", 401, "Unauthorized")


@pytest.mark.django_db(transaction=True)
def test_a_warm_create_is_one_statement(caller, example):
    caller.post(URL, example)
    with CaptureQueriesContext(connection) as queries:
        caller.post(
            URL, example.replace(b'"costs": [', b'"costs": [' + b'{"fiatAmount":"1","fiatAssetSymbol":"EUR","isEstimate":true},' * 4)
        )
    assert len(queries) == 1
    assert Cost.objects.count() == 6


def test_names_left_out_are_derived_from_the_request(caller):
    request = {"method": "POST", "urlParsed": {"hostname": "api.example.com", "pathname": "/v2/things"}}
    facts = {"source": "http-client", "version": "v1", "sdk": {"name": "x", "version": "1"}, "request": request}
    body = caller.post(URL, {"requestFacts": facts}).json()
    assert [body[name] for name in ("serviceName", "actionName", "resourceName")] == ["api.example.com", "POST", "/v2/things"]
    body = caller.post(URL, {"serviceName": "mine", "requestFacts": facts}).json()
    assert [body[name] for name in ("serviceName", "actionName", "resourceName")] == ["mine", "POST", "/v2/things"]
    body = caller.post(URL, {"serviceName": "mine"}).json()
    assert [body[name] for name in ("serviceName", "actionName", "resourceName")] == ["mine", "unspecified", "unspecified"]


def test_a_transaction_without_a_trace_has_one_of_its_own(caller):
    first, second = caller.create(), caller.create()
    assert first["traceId"] != second["traceId"]
    assert first["trace"] == {"id": first["traceId"], "externalId": None}


def test_the_trace_id_wins_over_the_external_id(caller):
    one, other = "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174001"
    assert caller.create(traceId=one, traceExternalId="x")["trace"] == {"id": one, "externalId": "x"}
    assert caller.create(traceExternalId="x")["trace"] == {"id": one, "externalId": "x"}
    assert caller.create(traceId=other, traceExternalId="x")["trace"] == {"id": other, "externalId": None}
    assert caller.create(traceId=one, traceExternalId="y")["trace"] == {"id": one, "externalId": "x"}
    assert Trace.objects.count() == 2


def test_two_tenants_may_use_one_trace_id(caller, outsider):
    trace = "123e4567-e89b-12d3-a456-426614174000"
    assert caller.create(traceId=trace)["traceId"] == outsider.create(traceId=trace)["traceId"] == trace
    assert Trace.objects.filter(reference=trace).count() == 2


def test_the_agent_id_wins_where_it_names_an_agent(caller, outsider):
    mine = caller.create(agentName="one")["agentId"]
    theirs = outsider.create(agentName="one")["agentId"]
    assert caller.create(agentId=mine, agentName="two")["agent"]["name"] == "one"
    assert caller.create(agentId=theirs, agentName="two")["agent"]["name"] == "two"
    assert caller.create(agentId="string", agentName="two")["agent"]["name"] == "two"
    for unknown in (theirs, "string"):
        reply = caller.post(URL, {"serviceName": "s", "agentId": unknown})
        words = "must be a UUID" if unknown == "string" else "must be an agent of yours, or come with agentName"
        assert (reply.status_code, reply.json()) == (400, error([f"agentId {words}"]))
    assert Agent.objects.count() == 3


def test_the_transactions_of_an_inactive_agent_are_denied(caller):
    agent = caller.post("/v1/agents", {"label": "off", "status": "inactive"}).json()
    body = caller.create(agentId=agent["id"])
    assert (body["status"], body["declineReason"]) == ("denied", "Agent off is inactive")
    assert body["deniedAt"] == body["createdAt"]
    assert body["authorizedAt"] is None


def test_one_key_makes_one_transaction(caller, example):
    for name in ("Idempotency-Key", "X-Idempotency-Key"):
        first = caller.post(URL, example, **{name: name})
        again = caller.post(URL, example, **{name: name})
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert "Idempotent-Replayed" not in first
        assert again["Idempotent-Replayed"] == "true"
    assert Transaction.objects.count() == 2


def test_a_key_with_other_facts_is_a_conflict_that_names_them(caller, example):
    first = caller.post(URL, example, **{"Idempotency-Key": "k"}).json()["id"]
    changed = example.replace(b"marketing-agent-99", b"other").replace(b"0.05", b"0.06")
    reply = caller.post(URL, changed, **{"Idempotency-Key": "k"})
    message = f"The idempotency key was used before with other facts (agentName, costs); the first row is {first}"
    assert (reply.status_code, reply.json()) == (409, error(message, 409, "Conflict"))
    assert Agent.objects.count() == Transaction.objects.count() == 1


def test_the_same_amount_in_other_digits_is_the_same_call(caller, example):
    first = caller.post(URL, example, **{"Idempotency-Key": "k"})
    again = caller.post(URL, example.replace(b'"0.05"', b'"0.050"'), **{"Idempotency-Key": "k"})
    assert first.json() == again.json()


def test_the_spacing_and_key_order_of_a_document_are_no_facts(caller):
    first = caller.post(URL, '{"serviceName": "s", "metadata": {"a": 1.50, "b": [12345678901234567890123]}}', **{"Idempotency-Key": "k"})
    again = caller.post(URL, '{"serviceName":"s","metadata":{"b":[12345678901234567890123],"a":1.50}}', **{"Idempotency-Key": "k"})
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    for other in ('{"a": 1.5, "b": [12345678901234567890123]}', '{"a": "1.50", "b": [12345678901234567890123]}'):
        reply = caller.post(URL, f'{{"serviceName": "s", "metadata": {other}}}', **{"Idempotency-Key": "k"})
        assert (reply.status_code, "(metadata)" in reply.json()["message"]) == (409, True)


def test_a_key_is_the_tenants_own(caller, outsider, example):
    assert caller.post(URL, example, **{"Idempotency-Key": "k"}).status_code == 201
    reply = outsider.post(URL, example, **{"Idempotency-Key": "k"})
    assert reply.status_code == 201
    assert "Idempotent-Replayed" not in reply


def test_another_tenants_transaction_is_not_found(caller, outsider):
    theirs = outsider.create()["id"]
    unknown = "123e4567-e89b-12d3-a456-426614174000"
    for transaction_id in (theirs, unknown):
        message = f"Transaction {transaction_id} not found"
        for path in ("", "/costs", "/facts", "/history"):
            reply = caller.get(f"{URL}/{transaction_id}{path}")
            assert (reply.status_code, reply.json()) == (404, error(message, 404, "Not Found"))
        cost = {"fiatAmount": "1", "fiatAssetSymbol": "USD", "isEstimate": True}
        facts = {"source": "s", "version": "1", "factPhase": "response", "facts": {}}
        for path, body in {"complete": {"outcome": "success"}, "cancel": {}, "costs": cost, "facts": facts}.items():
            reply = caller.post(f"{URL}/{transaction_id}/{path}", body)
            assert (reply.status_code, reply.json()) == (404, error(message, 404, "Not Found"))
    assert caller.get(URL).json()["data"] == []


COST = {"fiatAmount": "1", "fiatAssetSymbol": "USD", "isEstimate": True}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"serviceName": None}, ["serviceName should not be empty"]),
        ({"serviceName": ""}, ["serviceName must not be shorter than 1"]),
        ({"serviceName": 1}, ["serviceName must be a string"]),
        ({"traceId": "string"}, ["traceId must be a UUID"]),
        ({"qualifiers": []}, ["qualifiers must be an object"]),
        ({"costs": {}}, ["costs must be an array"]),
        ({"costs": [{}]}, [f"costs.0.{name} should not be empty" for name in ("fiatAmount", "fiatAssetSymbol", "isEstimate")]),
        ({"costs": [COST | {"fiatAmount": 0.05}]}, ["costs.0.fiatAmount must be a decimal string, not a number"]),
        ({"costs": [COST | {"fiatAmount": "1e3"}]}, ["costs.0.fiatAmount must be a decimal string"]),
        ({"costs": [COST | {"fiatAmount": "-1"}]}, ["costs.0.fiatAmount must be a decimal string"]),
        ({"costs": [COST | {"fiatAmount": "NaN"}]}, ["costs.0.fiatAmount must be a decimal string"]),
        ({"costs": [COST | {"fiatAmount": "１"}]}, ["costs.0.fiatAmount must be a decimal string"]),
        ({"costs": [COST | {"fiatAmount": "0." + "1" * 19}]}, ["costs.0.fiatAmount must not have more than 18 decimals"]),
        ({"costs": [COST | {"fiatAmount": "1" * 40}]}, ["costs.0.fiatAmount must not have more than 18 digits before the point"]),
        ({"costs": [COST | {"fiatAssetSymbol": "usd"}]}, ["costs.0.fiatAssetSymbol must be a valid ISO 4217 currency code"]),
        ({"costs": [COST | {"fiatAssetSymbol": "ABC"}]}, ["costs.0.fiatAssetSymbol must be a valid ISO 4217 currency code"]),
        ({"costs": [COST | {"isEstimate": "yes"}]}, ["costs.0.isEstimate must be a boolean value"]),
        ({"requestFacts": {"source": "x"}}, ["requestFacts.version should not be empty", "requestFacts.request should not be empty"]),
        ({"metadata": {"a": "\x00"}}, ["metadata must not contain NUL or unpaired surrogates"]),
        ({"serviceName": "\ud800"}, ["serviceName must not contain NUL or unpaired surrogates"]),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(caller, facts, message):
    reply = caller.post(URL, {"serviceName": "openai"} | facts)
    assert (reply.status_code, reply.json()) == (400, error(message))
    assert not Transaction.objects.exists()
    assert not Service.objects.exists()
    assert not Rollup.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"serviceName": "s", "metadata": {"a": NaN}}', 400),
        (b'{"serviceName": "s", "metadata": {"a": 1e99999}}', 400),
        (b'{"serviceName": "\xff"}', 400),
        (b'{"serviceName": "s", "metadata": ' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}", 400),
        (b'{"serviceName": "s", "metadata": {"a": "' + b"x" * 2_000_000 + b'"}}', 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_these_words(caller, body, status):
    reply = caller.post(URL, body)
    assert reply.status_code == status
    body = reply.json()
    assert set(body) == {"message", "error", "statusCode"}
    assert body["statusCode"] == status
    assert not Transaction.objects.exists()


def test_unknown_paths_and_methods_are_refused_in_these_words(caller):
    reply = caller.client.delete(URL, headers=caller.headers)
    words = f"This path doesn't know the method; allowed: {reply['Allow']}"
    assert (reply.status_code, reply.json()) == (405, error(words, 405, "Method Not Allowed"))
    for path in ("/v1/transactions/nonsense", "/v1/nonsense"):
        reply = caller.get(path)
        assert (reply.status_code, reply.json()["statusCode"]) == (404, 404)


def test_a_customers_objects_come_back_digit_for_digit(caller):
    odd = (
        '{"b": 2.50, "a": 1e2, "big": 123456789012345678901234567890, "a_b": [1.0, {"snake_case": "ü\\u00e9", "Camel": null}], "b2": -0.0}'
    )
    reply = caller.post(URL, f'{{"serviceName": "s", "qualifiers": {odd}, "metadata": {odd}}}')
    assert f'"qualifiers":{odd}' in reply.content.decode()
    read = caller.get(f"{URL}/{reply.json()['id']}").content.decode()
    assert f'"metadata":{odd}' in read


def test_a_customer_is_kept_found_and_part_of_what_a_retry_repeats(caller, outsider):
    agent = caller.post("/v1/agents", {"label": "a", "customerId": "acme"}).json()
    assert agent["customerId"] == "acme"
    key = {"Idempotency-Key": "k"}
    created = caller.post(URL, {"serviceName": "s", "agentName": "a", "customerId": "globex"}, **key).json()
    assert (created["customerId"], created["agent"]["customerId"]) == ("globex", "acme")
    assert caller.read(created["id"]) == created
    caller.create(agentName="a")
    outsider.create(customerId="globex")
    found = caller.get(URL, **{"filter[customer]": "globex"}).json()["data"]
    assert [row["id"] for row in found] == [created["id"]]
    other = caller.post(URL, {"serviceName": "s", "agentName": "a", "customerId": "acme"}, **key)
    assert (other.status_code, "customerId" in other.json()["message"]) == (409, True)
    assert caller.post(URL, {"serviceName": "s", "customerId": ""}).json()["message"] == ["customerId must not be shorter than 1"]
    [problem] = caller.post(URL, {"serviceName": "s", "customerId": 5}).json()["message"]
    assert problem == "customerId must be a string"


def test_a_digest_from_before_customers_is_still_a_replay(caller):
    first = caller.post(URL, {"serviceName": "s"}, **{"Idempotency-Key": "k"}).json()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_transaction DISABLE TRIGGER USER")
        cursor.execute("UPDATE metering_transaction SET facts_digest = substring(facts_digest FOR length(facts_digest) - 8)")
        cursor.execute("ALTER TABLE metering_transaction ENABLE TRIGGER USER")
    again = caller.post(URL, {"serviceName": "s"}, **{"Idempotency-Key": "k"})
    assert (again["Idempotent-Replayed"], again.json()["id"]) == ("true", first["id"])
    assert list(checks.find_violations()) == []
