"""Many at once on a tenant's rules: one change from each version, one number for each rule."""

from collections import Counter

import pytest

from metering.rules import services
from metering.rules.errors import NotArchivable, VersionConflict
from metering.rules.models import RuleVersion, SpendingRule
from tests.factories import TenantFactory
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def author():
    return {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "test"}


def kinds(outcomes):
    return Counter(type(outcome).__name__ for outcome in outcomes)


def test_of_changes_from_the_same_version_one_is_made(author):
    rule = services.create_rule(**author, name="first", rule_type="usage_limit").row
    its = author | {"reference": str(rule["id"]), "version": 1}
    outcomes = at_once(8, lambda number: services.change_rule(**its, name=f"change {number}"))
    assert kinds(outcomes) == {"Written": 1, VersionConflict.__name__: 7}
    [made] = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    stored = SpendingRule.objects.get()
    assert (stored.name, stored.version) == (made.row["name"], 2)
    assert RuleVersion.objects.count() == 2
    archived = at_once(4, lambda number: services.archive_rule(**its | {"version": 2}))
    assert kinds(archived) == {"Written": 1, NotArchivable.__name__: 3}


def test_rules_that_are_made_at_once_have_numbers_without_gap_or_repeat(author):
    outcomes = at_once(8, lambda number: services.create_rule(**author, name=str(number), rule_type="blocklist", status="paused"))
    assert kinds(outcomes) == {"Written": 8}
    assert sorted(outcome.row["numeric_id"] for outcome in outcomes) == list(range(1, 9))


def test_a_key_that_is_used_by_many_at_once_makes_one_rule(author):
    facts = {"name": "once", "rule_type": "usage_limit", "idempotency_key": "k"}
    outcomes = at_once(8, lambda number: services.create_rule(**author, **facts))
    assert kinds(outcomes) == {"Written": 8}
    assert sum(outcome.replayed for outcome in outcomes) == 7
    assert len({outcome.row["id"] for outcome in outcomes}) == 1
    assert SpendingRule.objects.count() == 1
