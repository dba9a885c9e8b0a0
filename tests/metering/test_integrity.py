"""Each corruption that a table's owner can plant is found by the check that is there for it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection

from kernel.ledger.integrity.digests import find_digest_violations
from metering import services
from metering.errors import NotOpen
from metering.integrity import checks, digests
from tests.metering.test_prices import add_facts, price
from tests.metering.test_spend import ACTUAL, ESTIMATE, URL, inactive_agent

# Each planted past the triggers and the checks, as a table's owner can, and the check that finds it.
CORRUPTIONS = [
    ("UPDATE metering_transaction SET status = 'cancelled' WHERE status = 'completed'", "metering_status_equals_last_step"),
    ("UPDATE metering_transaction SET decline_reason = 'r' WHERE status = 'cancelled'", "metering_status_equals_last_step"),
    (
        "UPDATE metering_cost SET is_estimate = true FROM metering_transaction t WHERE t.id = transaction_id AND t.status = 'cancelled'"
        " AND is_active",
        "metering_void_estimates",
    ),
    ("UPDATE metering_statuschange SET from_status = 'preparing' WHERE from_status = 'authorized'", "metering_status_history"),
    ("DELETE FROM metering_statuschange WHERE from_status IS NULL", "metering_status_history"),
    ("UPDATE metering_transaction SET completed_at = completed_at + interval '1 day' WHERE status = 'completed'", "metering_status_dates"),
    (
        "UPDATE metering_transaction SET authorized_at = authorized_at - interval '1 s' WHERE authorized_at IS NOT NULL",
        "metering_status_dates",
    ),
    ("UPDATE metering_transaction SET trace_id = (SELECT trace_id FROM metering_transaction ORDER BY id LIMIT 1)", "metering_own_trace"),
    ("UPDATE metering_fact SET facts = '{\"n\": 3}' WHERE phase = 'response'", "metering_inferred_cost"),
    ("UPDATE metering_fact SET facts = '{\"n\": 3}' WHERE phase = 'response'", "metering_fact_digest"),
    ("UPDATE metering_fact SET source = 'other' WHERE facts_digest IS NOT NULL", "metering_fact_digest"),
    ("UPDATE metering_unitprice SET amount = 9", "metering_inferred_cost"),
    ("UPDATE metering_cost SET inferred_from_id = NULL WHERE inferred_from_id IS NOT NULL", "metering_priced_fact"),
    ("UPDATE metering_transaction SET metadata = '{\"a\": 1}' WHERE metadata IS NULL", "metering_digest"),
    ("UPDATE metering_cost SET fiat_amount = 9 WHERE inferred_from_id IS NOT NULL", "metering_inferred_cost"),
    ("UPDATE metering_cost SET fiat_asset_symbol = 'EUR' WHERE inferred_from_id IS NOT NULL", "metering_inferred_cost"),
    (
        "UPDATE metering_cost SET fiat_amount = 8 WHERE facts_digest IS NOT NULL AND inferred_from_id IS NULL AND fiat_amount > 0",
        "metering_cost_digest",
    ),
    ("UPDATE metering_cost SET fiat_amount = 4 WHERE facts_digest IS NULL AND NOT is_active", "metering_digest"),
    ("UPDATE metering_fact SET facts = '{\"costs\": []}' WHERE facts_digest IS NULL", "metering_digest"),
    ("UPDATE metering_statuschange SET reason = 'not so' WHERE to_status = 'cancelled'", "metering_step_digest"),
    ("UPDATE metering_cost SET facts_digest = NULL WHERE facts_digest IS NOT NULL", "metering_missing_digest"),
    ("UPDATE metering_cost SET superseded_by_id = NULL WHERE NOT is_active", "metering_supersession"),
    ("UPDATE metering_cost SET superseded_at = superseded_at + interval '1 s' WHERE NOT is_active", "metering_supersession"),
]


@pytest.fixture
def book(caller):
    """One transaction of each fate."""
    price(caller, ("n", "1.25"), resource_name="mine")
    completed = caller.create(resourceName="mine", costs=[ESTIMATE])
    add_facts(caller, completed["id"], {"n": 2})
    caller.post(f"{URL}/{completed['id']}/complete", {"outcome": "success"})
    cancelled = caller.create(costs=[ESTIMATE, ACTUAL])
    caller.post(f"{URL}/{cancelled['id']}/costs", ACTUAL | {"fiatAmount": "7"})
    caller.post(f"{URL}/{cancelled['id']}/cancel", {"reason": "no more"})
    caller.create(agentName=inactive_agent(caller), costs=[ESTIMATE])
    return caller


def violated():
    plain = {violation.check.name for violation in checks.find_violations(at_most=100)}
    return plain | {check.name for check in digests.CHECKS if list(find_digest_violations(check))}


def test_a_book_of_every_fate_is_right(book):
    assert violated() == set()


def test_sums_of_every_fate_in_several_currencies_are_those_of_the_rows(book):
    """Postings that name what is known already take the form for one; the check counts the rows anew."""
    costs = [{"fiat_amount": Decimal(n), "fiat_asset_symbol": c, "is_estimate": n < 3} for n in (1, 2, 3, 4) for c in ("USD", "EUR")]
    its = {"tenant_id": book.tenant.id, "actor": "command:test", "request_id": ""}
    names = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt-4", "occurred_at": datetime(2026, 6, 1, tzinfo=UTC)}
    fates = [("completed", "success"), ("completed", "error"), ("cancelled", None), ("denied", None), (None, None)]
    for status, outcome in fates * 2:
        services.record_transaction(**its, **names, status=status, outcome=outcome, costs=costs)
    assert violated() == set()
    for outcome in ("success", "error"):
        row = services.record_transaction(**its, **names, costs=costs).row
        services.complete_transaction(**its, transaction_id=row["id"], outcome=outcome)
    services.set_policy(**its, authorizes_at_once=False)
    for decide in (services.deny_transaction, services.cancel_transaction):
        row = services.record_transaction(**its, **names, costs=costs).row
        services.prepare_transaction(**its, transaction_id=row["id"])
        decide(**its, transaction_id=row["id"], reason="no")
        with pytest.raises(NotOpen):
            services.record_cost(**its, transaction_id=row["id"], **costs[0])
    assert violated() == set()


@pytest.mark.parametrize(("statement", "check"), CORRUPTIONS, ids=[str(number) for number in range(len(CORRUPTIONS))])
def test_each_planted_corruption_is_found(book, statement, check):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("transaction", "cost", "statuschange", "fact", "unitprice"):
            cursor.execute(f"ALTER TABLE metering_{table} DISABLE TRIGGER USER")
        cursor.execute(
            "SELECT conrelid::regclass, conname FROM pg_constraint"
            " WHERE contype IN ('c', 'f') AND conrelid::regclass::text LIKE 'metering\\_%'"
        )
        for table, name in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(statement)
        assert cursor.rowcount >= 1
    assert check in violated()
