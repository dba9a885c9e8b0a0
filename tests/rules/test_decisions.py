"""What spending rules let through, and what they say where they don't."""

from decimal import Decimal

import pytest

from metering import services
from metering.rules.models import AuthorizationRequest, RuleCounter, RuleExecution
from tests.rules.book import COUNT, RuleBook, condition, cost, limit

pytestmark = pytest.mark.django_db


@pytest.fixture
def book():
    return RuleBook()


def test_exactly_the_limit_is_allowed_and_more_is_denied_with_the_true_digits(book):
    book.add_rule(limit("0.0001"))
    first = book.record(cost("0.00006"))
    second = book.record(cost("0.00004"))
    third = book.record(cost("0.000000000000000001"))
    assert book.statuses(first, second, third) == ["authorized", "authorized", "denied"]
    reason = "Total transaction costs including this transaction (0.000100000000000001 USD) would exceed limit of 0.0001 USD in 1 days"
    assert (third["decline_reason"], third["costs"]) == (reason, [])
    assert book.used() == {"[]": Decimal("0.0001")}
    assert RuleExecution.objects.get().reason == reason


def test_a_limit_of_zero_refuses_what_is_not_known_to_cost_nothing(book):
    book.add_rule(limit("0"))
    assert book.record(cost(0))["status"] == "authorized"
    assert book.record()["decline_reason"] == "No known cost and limit of 0.00 USD is used up in 1 days"
    assert book.record(cost("0.01"))["status"] == "denied"


def test_what_has_no_known_cost_passes_until_the_limit_is_used_up(book):
    book.add_rule(limit(10))
    assert book.record(cost("9.99"))["status"] == "authorized"
    assert book.record()["status"] == "authorized"
    assert book.record(cost("0.01"))["status"] == "authorized"
    assert book.record()["decline_reason"] == "No known cost and limit of 10.00 USD is used up in 1 days"


def test_counts_are_limited_too(book):
    book.add_rule(limit(2, **COUNT, currency="EUR"))
    rows = [book.record() for _ in range(3)]
    assert book.statuses(*rows) == ["authorized", "authorized", "denied"]
    assert rows[2]["decline_reason"] == "Transaction count including this transaction (3) would exceed limit of 2 in 1 days"


def test_all_rules_run_and_nothing_moves_unless_all_allow(book):
    book.add_rule(limit(5))
    book.add_rule(limit(1), limit(100, **COUNT))
    denied = book.record(cost(6))
    assert denied["status"] == "denied"
    assert "limit of 5.00 USD" in denied["decline_reason"]
    request = AuthorizationRequest.objects.get()
    assert (request.status, len(request.rule_ids), RuleExecution.objects.count()) == ("denied", 2, 2)
    assert set(book.used().values()) == {Decimal(0)}
    assert book.record(cost(1))["status"] == "authorized"
    assert [counter.used for counter in RuleCounter.objects.all()] == [1, 1]


def test_a_batch_is_decided_in_its_order_and_a_refused_item_adds_nothing(book):
    book.add_rule(limit(10))
    amounts = (6, 5, 4, 1, 0)
    items = [{"service_name": "s", "action_name": "a", "resource_name": "r", "costs": [cost(amount)]} for amount in amounts]
    recorded = services.record_transactions(**book.who, transactions=items)
    assert [one.row["status"] for one in recorded] == ["authorized", "denied", "authorized", "denied", "authorized"]
    assert book.used() == {"[]": 10}


def test_a_scope_of_all_decides_for_one_agent_by_the_spending_of_everybody(book):
    agent = book.record(cost(3), agent_name="one")["agent_id"]
    book.add_rule(limit(10), agents=[agent])
    assert book.record(cost(8), agent_name="two")["status"] == "authorized"
    assert book.record(cost(1), agent_name="one")["status"] == "denied"
    assert book.used() == {"[]": 11}


def test_a_scope_of_rule_sums_what_the_rule_applies_to(book):
    book.add_rule(limit(10, measurement_scope="rule"), conditions=[condition("qualifier", "equals", "x", name="team.name")])
    ours = {"qualifiers": '{"team": {"name": "x"}}'}
    assert book.record(cost(50))["status"] == "authorized"
    assert book.record(cost(6), **ours)["status"] == "authorized"
    assert book.record(cost(6), **ours)["status"] == "denied"
    assert book.used() == {"[]": 6}


def test_groups_have_the_limit_each_and_what_lacks_a_value_is_a_group_too(book):
    book.add_rule(limit(1, group_by=["agent", "qualifier:team"]))
    calls = [{}, {"agent_name": "a"}, {"agent_name": "b"}, {"agent_name": "a", "qualifiers": '{"team": "t"}'}]
    assert [book.record(cost(1), **call)["status"] for call in calls] == ["authorized"] * 4
    assert [book.record(cost(1), **call)["status"] for call in calls] == ["denied"] * 4
    assert set(book.used().values()) == {1}
    assert len(book.used()) == 4


def test_a_customer_is_that_of_the_transaction_or_of_its_agent(book):
    services.create_agent(**book.who, label="a", customer_id="acme")
    book.add_rule(limit(1, group_by=["customer"]))
    assert book.record(cost(1), agent_name="a")["status"] == "authorized"
    assert book.record(cost(1), customer_id="acme")["status"] == "denied"
    assert book.record(cost(1), customer_id="globex")["status"] == "authorized"


def test_a_currency_counts_for_itself(book):
    book.add_rule(limit(1))
    assert book.record(cost(5, currency="EUR"))["status"] == "authorized"
    assert book.record(cost(1))["status"] == "authorized"
    assert book.record(cost(5, currency="EUR"))["status"] == "authorized"


def test_a_limit_without_estimates_is_a_brake(book):
    book.add_rule(limit(10, include_estimates=False))
    assert book.record(cost(50))["status"] == "authorized"
    assert book.record(cost(10, estimate=False))["status"] == "authorized"
    assert book.record(cost(1))["status"] == "denied"
    assert book.used() == {"[]": 10}


def test_limits_of_one_transaction_need_no_window(book):
    single = {"measurement_type": "this_transaction_cost", "interval_value": None, "interval_unit": None}
    book.add_rule(limit(5, **single))
    assert book.record(cost(3), cost(2))["status"] == "authorized"
    assert book.record(cost(6))["decline_reason"] == "This transaction's cost (6.00 USD) would exceed limit of 5.00 USD"
    assert book.record()["status"] == "authorized"


def test_lists_block_and_allow(book):
    book.add_rule(rule_type="blocklist", conditions=[condition("service", "equals", "bad")])
    allowed = [condition("resource", "equals", "gpt-4"), condition("resource", "contains", "mini", group="small")]
    agent = book.record(agent_name="listed")["agent_id"]
    listing = book.add_rule(rule_type="allowlist", conditions=allowed, agents=[agent])
    assert book.record(service_name="bad")["decline_reason"] == "Blocked by rule RL-001"
    assert book.record(agent_name="listed")["status"] == "authorized"
    assert book.record(agent_name="listed", resource_name="gpt-5-mini")["status"] == "authorized"
    assert book.record(agent_name="listed", resource_name="gpt-5")["decline_reason"] == "Not allowed by any allowlist rule"
    assert book.record(agent_name="other", resource_name="gpt-5")["status"] == "authorized"
    book.change_rule(listing, status="paused", paused_at=listing.created_at)
    assert book.record(agent_name="listed", resource_name="gpt-5")["status"] == "authorized"


@pytest.mark.parametrize(
    ("holds", "stated"),
    [
        (True, ("qualifier", "equals", "2.50", "price")),
        (False, ("qualifier", "equals", "2.5", "price")),
        (True, ("qualifier", "greater_than", "2.4", "price")),
        (False, ("qualifier", "greater_than", "2.5", "price")),
        (True, ("qualifier", "less_than", "10", "price")),
        (False, ("qualifier", "less_than", "10", "name")),
        (True, ("qualifier", "contains", "b", "tags")),
        (False, ("qualifier", "contains", "B", "tags")),
        (True, ("qualifier", "contains", "am", "name")),
        (True, ("qualifier", "not_contains", "zz", "name")),
        (True, ("qualifier", "not_equals", "x", "absent")),
        (True, ("qualifier", "not_contains", "x", "nothing")),
        (False, ("qualifier", "equals", "", "nothing")),
        (True, ("qualifier", "equals", "deep", "a.b")),
        (True, ("qualifier", "equals", "dotted", "c.d")),
        (True, ("transaction_property", "equals", "bot", "agentName")),
        (True, ("transaction_property", "equals", "run 1", "traceExternalId")),
        (True, ("transaction_property", "equals", "acme", "customerId")),
        (True, ("transaction_property", "equals", "7", "metadata.job.id")),
        (False, ("payment_property", "greater_than", "0", "amount")),
        (False, ("service", "equals", "OpenAI", None)),
    ],
)
def test_conditions_compare_exactly(book, holds, stated):
    field_type, operator, value, name = stated
    book.add_rule(rule_type="blocklist", conditions=[condition(field_type, operator, value, name=name)])
    qualifiers = '{"price": 2.50, "name": "name", "tags": ["a", "b"], "nothing": null, "a": {"b": "deep"}, "c.d": "dotted"}'
    more = {"metadata": '{"job": {"id": 7}}', "customer_id": "acme", "trace_external_id": "run 1", "agent_name": "bot"}
    assert book.record(qualifiers=qualifiers, **more)["status"] == ("denied" if holds else "authorized")


def test_all_conditions_of_a_group_must_hold_and_one_group_is_enough(book):
    both = [condition("service", "equals", "s"), condition("action", "equals", "a")]
    book.add_rule(rule_type="blocklist", conditions=[*both, condition("resource", "equals", "r", group="other")])
    calls = [("s", "a", "x"), ("s", "x", "x"), ("x", "a", "x"), ("x", "x", "r")]
    rows = [book.record(service_name=service, action_name=action, resource_name=resource) for service, action, resource in calls]
    assert book.statuses(*rows) == ["denied", "authorized", "authorized", "denied"]


def test_a_repeated_call_gets_the_same_answer_and_counts_once(book):
    book.add_rule(limit(2))
    first = book.record(cost(2), idempotency_key="k")
    denied = book.record(cost(1), idempotency_key="d")
    for key, row, amount in (("k", first, 2), ("d", denied, 1)):
        again = services.record_transaction(
            **book.who, service_name="openai", action_name="chat", resource_name="gpt-4", costs=[cost(amount)], idempotency_key=key
        )
        assert (again.replayed, again.row["id"], again.row["status"]) == (True, row["id"], row["status"])
    assert book.used() == {"[]": 2}
    items = [{"service_name": "s", "action_name": "a", "resource_name": "r", "costs": [cost(0)], "idempotency_key": "b"}] * 2
    assert [one.replayed for one in services.record_transactions(**book.who, transactions=items)] == [False, True]


def test_a_tenant_without_rules_writes_nothing_for_them(book):
    book.record(cost(1))
    assert not AuthorizationRequest.objects.exists()
    rule = book.add_rule(limit(1))
    other = RuleBook()
    other.record(cost(5))
    assert AuthorizationRequest.objects.count() == 0
    book.change_rule(rule, limit_value=3)
    assert book.record(cost(2))["status"] == "authorized"
    assert book.record(cost("0.1"))["status"] == "denied"
