"""What spending rules write for those who listen: denials, shares of a limit that are reached, and limits that were passed."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from kernel.events.models import Event
from kernel.events.rendering import body_of
from metering.rules.selectors.usage import list_usage
from tests.rules.book import COUNT, RuleBook, condition, cost, limit

pytestmark = pytest.mark.django_db


@pytest.fixture
def book(tenant):
    return RuleBook(tenant)


def objects(written, name):
    return [json.loads(body_of(event))["data"]["object"] for event in written(f"spending_rule.{name}")]


def test_nobody_listens_and_nothing_is_written(book, written):
    book.add_rule(limit(1), notify_at=[Decimal("0.5")])
    assert book.statuses(book.record(cost(1)), book.record(cost(1))) == ["authorized", "denied"]
    assert written() == []


def test_a_denial_is_reported_once_a_minute_for_each_rule_and_group_with_its_count(book, tenant, listen, written):
    listen("spending_rule.*")
    rule = book.add_rule(limit(1, **COUNT, group_by=["agent"]))
    for name in ("a", "b"):
        for _ in range(4):
            book.record(agent_name=name)
    sent = objects(written, "denied")
    assert [(one["id"], one["formattedId"], one["limitValue"], one["used"], one["denials"]) for one in sent] == [
        (str(rule.id), "RL-001", "1.000000000000000000", "1.000000000000000000", 1),
        (str(rule.id), "RL-001", "1.000000000000000000", "1.000000000000000000", 4),
    ]
    assert [event.account for event in written()] == [f"rule:{rule.id}"] * 2
    assert [list(one["group"]) for one in sent] == [["agent"], ["agent"]]
    assert sent[0]["group"] != sent[1]["group"]
    assert sent[0]["reason"] == "Transaction count including this transaction (2) would exceed limit of 1 in 1 days"
    for event in Event.objects.filter(tenant_id=tenant.id):
        Event.objects.filter(tenant_id=tenant.id, id=event.id).update(created_at=event.created_at - timedelta(minutes=2))
    book.record(agent_name="a")
    assert objects(written, "denied")[-1]["denials"] == 7


def test_a_blocklist_has_no_group_and_its_denial_is_reported_also_after_the_body_was_made(book, listen, written):
    listen("*")
    book.add_rule(rule_type="blocklist", conditions=[condition("service", "equals", "openai")])
    book.record()
    for event in written("spending_rule.denied"):
        Event.objects.filter(id=event.id).update(body=body_of(event), snapshot=None)
    book.record()
    [sent] = objects(written, "denied")
    assert (sent["reason"], sent["group"], sent["limitValue"], sent["denials"]) == ("Blocked by rule RL-001", None, None, 1)


def test_each_share_of_a_limit_is_reported_once_in_a_window_on_the_way_up(book, listen, written):
    listen("spending_rule.threshold_reached")
    book.add_rule(limit(10), notify_at=[Decimal("0.5"), Decimal("1")])
    first = book.record(cost(5))
    assert [(one["threshold"], one["used"][:4]) for one in objects(written, "threshold_reached")] == [("0.5", "5.00")]
    book.cancel(first)
    book.record(cost(6))
    assert len(objects(written, "threshold_reached")) == 1
    book.record(cost(4))
    sent = objects(written, "threshold_reached")
    assert [one["threshold"] for one in sent] == ["0.5", "1"]
    assert [one["group"] for one in sent] == [{}, {}]


def test_each_limit_of_a_rule_is_reported_by_itself_with_the_group_that_usage_shows(book, listen, written):
    listen("spending_rule.*")
    rule = book.add_rule(limit(10), limit(12, interval_unit="weeks"), limit(6, group_by=["agent"]), notify_at=[Decimal("0.5")])
    book.record(cost(6), agent_name="a")
    sent = objects(written, "threshold_reached")
    assert sorted((one["limitValue"][:2], one["threshold"], list(one["group"])) for one in sent) == [
        ("10", "0.5", []),
        ("12", "0.5", []),
        ("6.", "0.5", ["agent"]),
    ]
    shown = {str(line["parameter_id"]): line["group"] for line in list_usage(tenant_id=rule.tenant_id, rule_id=rule.id)}
    assert {one["parameterId"]: one["group"] for one in sent} == shown


def test_a_late_cost_that_passes_the_limit_says_by_how_much(book, listen, written):
    listen("spending_rule.exceeded")
    book.add_rule(limit(10))
    made = book.record(cost(9))
    book.add_cost(made, "10.25", supersedes_cost_id=made["costs"][0]["id"])
    [sent] = objects(written, "exceeded")
    assert (sent["exceededBy"], sent["used"], sent["limitValue"]) == (
        "0.250000000000000000",
        "10.250000000000000000",
        "10.000000000000000000",
    )
    book.add_cost(made, "1")
    assert len(objects(written, "exceeded")) == 1
