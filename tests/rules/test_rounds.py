"""Further rounds of authorization, decisions by people, and what replies say of them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from metering import services
from metering.errors import NeedsPerson
from metering.rules.models import AuthorizationRequest, RuleCounterEntry, RuleExecution
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.rules.book import COUNT, RuleBook, condition, cost, limit

pytestmark = pytest.mark.django_db
URL = "/v1/transactions"
PAYMENT = {"measurement_type": "sum_payment_amount"}


@pytest.fixture
def book():
    return RuleBook().fund()


@pytest.fixture
def caller(book):
    return Caller(IssuedKeyFactory(tenant=book.tenant))


def challenge(amount="0.01", **more):
    option = {"scheme": "upto", "network": "sapiom:main", "asset": "USD", "amount": amount, "payTo": "shop", "maxTimeoutSeconds": 300}
    return {"x402Version": 2, "resource": {"url": "https://shop.example/x"}, "accepts": [option | more]}


def ask(caller, transaction_id, body=None, **headers):
    return caller.post(f"{URL}/{transaction_id}/reauthorize", {"x402": challenge(**(body or {}))}, **headers)


def test_a_tenant_without_rules_is_authorized_again_and_the_same_challenge_is_a_replay(caller):
    created = caller.create()
    reply = ask(caller, created["id"])
    assert (reply.status_code, reply.json()["status"], reply.json()["payment"]["status"]) == (200, "authorized", "authorized")
    again = ask(caller, created["id"])
    assert (again["Idempotent-Replayed"], again.json()) == ("true", reply.json())
    rounds = caller.get(f"{URL}/{created['id']}").json()["authorizationRequests"]
    assert [(one["round"], one["status"], len(one["ruleExecutions"])) for one in rounds] == [(2, "authorized", 1), (1, "authorized", 0)]
    ask(caller, created["id"], {"amount": "0.02"}, **{"Idempotency-Key": "k"})
    other = ask(caller, created["id"], {"amount": "0.03"}, **{"Idempotency-Key": "k"})
    assert (other.status_code, "x402" in other.json()["message"]) == (409, True)
    assert caller.get(f"{URL}/{created['id']}").json()["authorizationRequests"][0]["round"] == 3


def test_payments_are_limited_and_a_later_round_takes_the_place_of_an_earlier_one(book, caller):
    book.add_rule(limit("0.05", **PAYMENT))
    first, second = caller.create()["id"], caller.create()["id"]
    assert ask(caller, first, {"amount": "0.03"}).json()["status"] == "authorized"
    assert ask(caller, first, {"amount": "0.04"}).json()["status"] == "authorized"
    assert book.used() == {"[]": Decimal("0.04")}
    denied = ask(caller, second, {"amount": "0.02"}).json()
    reason = "Total payment amount including this payment (0.06 USD) would exceed limit of 0.05 USD in 1 days"
    assert (denied["status"], denied["declineReason"], denied["payment"]) == ("denied", reason, None)
    assert ask(caller, second, {"amount": "0.02"})["Idempotent-Replayed"] == "true"
    refused = ask(caller, second)
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        f"Transaction {second} must be in authorized status to reauthorize. Current status: denied",
    )
    caller.post(f"{URL}/{first}/cancel")
    assert book.used() == {"[]": 0}
    book.is_sound()


def test_two_rounds_count_one_transaction_by_the_date_of_the_first(book, caller):
    book.add_rule(limit(1, **COUNT))
    created = caller.create()["id"]
    first = RuleCounterEntry.objects.get().at
    assert ask(caller, created).json()["status"] == "authorized"
    assert (book.used(), RuleCounterEntry.objects.get().at) == ({"[]": 1}, first)
    assert caller.create()["status"] == "denied"


def test_a_payment_stands_in_place_of_the_estimate_until_the_transaction_is_over(book, caller):
    book.add_rule(limit(10))
    estimate = {"fiatAmount": "4", "fiatAssetSymbol": "USD", "isEstimate": True}
    created = caller.create(costs=[estimate])["id"]
    assert ask(caller, created, {"amount": "10.5"}).json()["status"] == "denied"
    assert book.used() == {"[]": 0}
    created = caller.create(costs=[estimate])["id"]
    assert ask(caller, created, {"amount": "9"}).json()["status"] == "authorized"
    assert book.used() == {"[]": 9}
    # Nobody collected the payment, and it had taken the place of the estimate.
    caller.post(f"{URL}/{created}/complete", {"outcome": "success"})
    assert book.used() == {"[]": 0}
    assert caller.post(f"{URL}/{created}/reauthorize", {"x402": challenge()}).json()["status"] == "completed"
    book.is_sound()


def test_rules_on_payments_block_by_what_the_payment_says(book, caller):
    conditions = [condition("payment_property", "equals", "thief", name="payTo")]
    book.add_rule(rule_type="payment_authorization", conditions=conditions)
    created = caller.create()["id"]
    denied = ask(caller, created, {"payTo": "thief"}).json()
    assert (denied["status"], denied["declineReason"]) == ("denied", "Blocked by rule RL-001")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, ["x402 should not be empty"]),
        ({"x402": {"x402Version": 3, "accepts": [{}]}}, ["x402.x402Version must not be greater than 2"]),
        ({"x402": {"x402Version": 2, "accepts": []}}, ["x402.accepts must not be shorter than 1"]),
        ({"x402": {"x402Version": 2, "accepts": [{}] * 21}}, ["x402.accepts must not be longer than 20"]),
        ({"x402": challenge("0")}, "No payment option can be paid: accepts[0] has an amount that is no decimal above 0"),
        ({"x402": challenge("1e3")}, "No payment option can be paid: accepts[0] has an amount that is no decimal above 0"),
        ({"x402": challenge(network="eip155:1")}, "No payment option can be paid: accepts[0] has the unknown network eip155:1"),
        ({"x402": challenge(payTo="é")}, "No payment option can be paid: accepts[0] has a payTo that is not ASCII"),
    ],
)
def test_a_challenge_that_cannot_be_paid_changes_nothing(caller, body, message):
    created = caller.create()
    reply = caller.post(f"{URL}/{created['id']}/reauthorize", body)
    assert (reply.status_code, reply.json()["message"]) == (400, message)
    assert caller.get(f"{URL}/{created['id']}").json()["status"] == "authorized"


def test_a_denial_carries_every_limit_and_when_the_same_call_would_pass(book, caller):
    rule = book.add_rule(limit(10, group_by=["service"], parameter_name="daily"), limit(3, **COUNT, is_rolling=False))
    estimate = {"fiatAmount": "6", "fiatAssetSymbol": "USD", "isEstimate": True}
    first = caller.create(costs=[estimate])
    denied = caller.create(costs=[estimate])
    [asked] = caller.get(f"{URL}/{denied['id']}").json()["authorizationRequests"]
    [execution] = asked["ruleExecutions"]
    violation = execution["outputData"]["metadata"]["violations"][0]
    entry = AuthorizationRequest.objects.get(transaction_id=first["id"]).decided_at
    assert asked["passesAt"] == violation["passesAt"] == violation["resetsAt"]
    assert asked["passesAt"][:19] == (entry + timedelta(days=1)).isoformat()[:19]
    assert violation | {"windowStart": None, "resetsAt": None, "passesAt": None} == {
        "parameterName": "daily",
        "measurementType": "sum_transaction_costs",
        "currency": "USD",
        "group": {"service": "openai"},
        "limitValue": 10,
        "used": 6,
        "currentValue": 12,
        "remaining": 4,
        "windowStart": None,
        "windowEnd": None,
        "resetsAt": None,
        "passesAt": None,
    }
    assert (execution["rule"], execution["status"]) == ({"id": str(rule.id), "numericId": 1, "name": rule.name}, "denied")
    assert execution["outputData"]["decision"] == "DENIED"
    assert execution["outputData"]["reason"] == denied["declineReason"] == asked["declineReason"]
    assert execution["outputData"]["metadata"]["parametersChecked"] == 2
    assert str(RuleExecution.objects.get().id) == execution["id"]
    [allowed] = caller.get(f"{URL}/{first['id']}").json()["authorizationRequests"]
    [execution] = allowed["ruleExecutions"]
    assert (allowed["status"], execution["status"], execution["outputData"]["reason"]) == (
        "authorized",
        "completed",
        "All limits within acceptable range",
    )


def test_what_exceeds_the_limit_alone_never_passes(book, caller):
    book.add_rule(limit(1))
    denied = caller.create(costs=[{"fiatAmount": "2", "fiatAssetSymbol": "USD", "isEstimate": True}])
    assert caller.get(f"{URL}/{denied['id']}").json()["authorizationRequests"][0]["passesAt"] is None


def test_a_manual_rule_leaves_its_denial_to_a_person(book):
    book.add_rule(limit(1), resolution_strategy="manual")
    book.add_rule(limit(100))
    waiting = book.record(cost(5))
    assert (waiting["status"], waiting["decline_reason"]) == ("preparing", None)
    assert waiting["preparing_at"] == waiting["created_at"]
    assert book.used() == {"[]": 0}
    its = book.who | {"transaction_id": waiting["id"]}
    with pytest.raises(NeedsPerson):
        services.authorize_transaction(**its)
    decided = services.decide_waiting(**its, allow=True, reason="boss said so")
    assert decided["status"] == "authorized"
    assert book.used() == {"[]": 5}
    request = AuthorizationRequest.objects.get()
    assert (request.status, '"override": {"by": "command:test", "reason": "boss said so"}' in request.executions) == ("authorized", True)
    denied = book.record(cost(2))
    assert services.decide_waiting(**book.who, transaction_id=denied["id"], allow=False, reason="no")["decline_reason"] == "no"
    book.is_sound()


def test_an_overruled_rule_does_not_overrule_the_others(book):
    book.add_rule(limit(1), resolution_strategy="manual")
    binding = book.add_rule(limit(100))
    waiting = book.record(cost(50))
    book.change_rule(binding, limit_value=10)
    decided = services.decide_waiting(**book.who, transaction_id=waiting["id"], allow=True, reason="fine")
    assert decided["status"] == "denied"
    assert "limit of 10.00 USD" in decided["decline_reason"]
    assert book.used() == {"[]": 0}
    book.is_sound()


def test_the_rules_decide_when_a_tenant_authorizes_what_waited(book):
    services.set_policy(**book.who, authorizes_at_once=False)
    book.add_rule(limit(10))
    rows = [book.record(cost(6)) for _ in range(2)]
    assert book.statuses(*rows) == ["pending", "pending"]
    for row in rows:
        services.prepare_transaction(**book.who, transaction_id=row["id"])
    moved = [services.authorize_transaction(**book.who, transaction_id=row["id"]).row["status"] for row in rows]
    assert moved == ["authorized", "denied"]
    assert book.used() == {"[]": 6}
    book.is_sound()


def test_trying_a_call_out_is_the_same_decision_and_leaves_nothing(book):
    book.add_rule(limit(5))
    book.record(cost(3))
    facts = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt-4"}
    tried = services.evaluate_create(**book.who, **facts, costs=[cost(3)])
    assert (tried["decision"], len(tried["executions"][0]["violations"])) == ("DENIED", 1)
    assert services.evaluate_create(**book.who, **facts, costs=[cost(2)])["decision"] == "ALLOWED"
    assert (book.used(), AuthorizationRequest.objects.count()) == ({"[]": 3}, 1)
    services.set_policy(**book.who, authorizes_at_once=False)
    later = services.evaluate_create(**book.who, **facts, costs=[cost(3)])
    assert (later["decision"], later["reason"], book.used()) == ("DENIED", tried["reason"], {"[]": 3})
    services.set_policy(**book.who, authorizes_at_once=True)
    assert book.record(cost(3))["decline_reason"] == tried["reason"]
