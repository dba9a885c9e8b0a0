"""The proof of the counters: a sound ledger passes, and whatever is changed behind it is found."""

import pytest
from django.db import connection

from backoffice.integrity.checks import checks_of
from config.database_roles import service_privileges
from metering import services
from metering.rules import integrity
from metering.rules.models import RuleCounter, RuleMeasure
from metering.services import transactions
from tests.rules.book import COUNT, NAMES, RuleBook, cost, limit

pytestmark = pytest.mark.django_db


@pytest.fixture
def book():
    book = RuleBook()
    book.add_rule(limit(10, group_by=["agent"]), limit(10, **COUNT))
    row = book.record(cost(4), agent_name="a")
    book.record(cost(1))
    book.add_cost(row, 3, supersedes_cost_id=row["costs"][0]["id"])
    book.record(cost(50))
    return book


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE rules_rulecounter SET used = used + 0.000000000000000001 WHERE group_key = '[null]'", "rules_counter_sum"),
        ("UPDATE rules_rulecounterentry SET amount = amount + 1 WHERE amount = 3", "rules_entry_amount"),
        ("DELETE FROM rules_rulecounterentry WHERE amount = 3", "rules_missing_entry"),
        ("UPDATE rules_rulecounterentry SET at = at - interval '1 minute' WHERE amount = 3", "rules_entry_date"),
        ("UPDATE rules_rulemeasure SET groups = groups + 1", "rules_counter_count"),
        ("UPDATE metering_policy SET has_rules = false", "rules_policy_flag"),
        ("UPDATE metering_cost SET fiat_amount = 2.5 WHERE fiat_amount = 3", "rules_entry_amount"),
    ],
)
def test_a_planted_drift_is_found(book, statement, check):
    book.is_sound()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE metering_cost DISABLE TRIGGER USER")
        cursor.execute(statement)
        cursor.execute("ALTER TABLE metering_cost ENABLE TRIGGER USER")
    found = list(integrity.find_violations(tenant_id=book.tenant_id, at_most=5))
    assert check in {violation.check.name for violation in found}


def test_verify_ledgers_runs_these_checks_with_meterings():
    assert {check.name for check in integrity.CHECKS} <= {name for name, _, _ in checks_of("metering")}


def test_a_rule_with_too_many_groups_denies_new_ones(book):
    measure = RuleMeasure.objects.get(measurement_type="sum_transaction_costs")
    RuleMeasure.objects.filter(id=measure.id).update(groups=100_000)
    denied = book.record(cost(1), agent_name="new")
    assert (denied["status"], denied["decline_reason"]) == ("denied", "Rule RL-001 has too many groups")
    assert book.record(cost(1), agent_name="a")["status"] == "authorized"
    assert RuleCounter.objects.filter(measure_id=measure.id).count() == 2


def test_an_array_of_one_tenant_is_posted_again_by_the_rules_and_remembered(monkeypatch, book):
    calls = []
    monkeypatch.setattr("metering.services.new_transaction_calls._in_order_until", {})
    real = transactions.new_transaction_calls.posting.post
    monkeypatch.setattr(
        "metering.services.new_transaction_calls.posting.post",
        lambda function, *more, **given: calls.append(function) or real(function, *more, **given),
    )
    for _ in range(2):
        recorded = services.record_transactions(**book.who, transactions=[NAMES | {"costs": [cost(1)]}] * 2)
        assert all(one.row["status"] == "authorized" for one in recorded)
    assert calls == ["metering_post", "metering_post_in_order", "metering_post_in_order"]


def test_the_services_role_may_delete_sums_and_nothing_else_of_rules(db):
    with connection.cursor() as cursor:
        deletable = {table for table, verbs, _ in service_privileges(cursor) if table.startswith("rules_") and "DELETE" in verbs}
    assert deletable == {"rules_rulecounter", "rules_rulecounterentry"}
