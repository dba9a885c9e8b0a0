"""Every corruption that a hand in the database can do is found by its check."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError
from django.db import connection

from backoffice.integrity.checks import LEDGERS, checks_of
from billing import services as billing
from credits import services as credits
from metering.services import complete_transaction, record_cost, record_transaction
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 1, 5, 12, tzinfo=UTC)
TABLES = (
    *("billing_transaction", "billing_wallet", "billing_dailytotal", "billing_transactiontype"),
    *("credits_grant", "credits_transaction", "metering_transaction", "metering_cost", "metering_rollup"),
)


@pytest.fixture
def books(context):
    """A small ledger of each kind, made as callers make it."""
    facts = {"agent_id": "robot", "description": "a cup", "metadata": '{"a": 1.50, "b": [1]}', "occurred_at": MOMENT}
    billing.record_transaction(**context, amount=Decimal(100), type="topup", reference_id="r1")
    charge = billing.record_transaction(**context, amount=Decimal("30.50"), type="usage", reference_id="r2", currency="USD", **facts).row
    billing.record_transaction(**context, amount=Decimal(5), type="usage", reference_id="r3")
    billing.reverse_transaction(
        **context, transaction_id=charge.id, reason_code="other", reason="so", amount=Decimal(10), reference_id="r4"
    )
    make_grants(context)
    make_metering(context)


def make_grants(context):
    facts = {"customer_id": "maria", "name": "Start", "unit_type": "CURRENCY", "currency": "USD", "effective_date": date(2026, 1, 1)}
    grant = credits.create_grant(**context, **facts, amount=Decimal(100), cost_of_credit=Decimal(80), idempotency_key="g")
    other = credits.create_grant(**context, **facts, amount=Decimal(7), idempotency_key="h")
    spent = credits.record_transaction(
        **context,
        grant_id=grant.row.id,
        type="DEBIT",
        amount=Decimal(40),
        idempotency_key="t1",
        reason="so",
        invoice_id="i",
        occurred_at=MOMENT,
    )
    credits.record_transaction(**context, grant_id=other.row.id, type="DEBIT", amount=Decimal(1), idempotency_key="t2")
    credits.reverse_transaction(**context, transaction_id=spent.row.id, reason="oops", idempotency_key="t3")


def make_metering(context):
    cost = {"fiat_amount": Decimal("0.05"), "fiat_asset_symbol": "USD", "is_estimate": True, "cost_details": None}
    names = {"service_name": "search", "action_name": "query", "resource_name": "/v1", "agent_name": "robot"}
    recorded = record_transaction(**context, **names, idempotency_key="m", metadata='{"a":1.50}', occurred_at=MOMENT, costs=[cost])
    identifier = recorded.row["id"]
    later = {"fiat_amount": Decimal("0.07"), "fiat_asset_symbol": "USD", "is_estimate": False}
    record_cost(**context, transaction_id=identifier, **later, supersedes_cost_id=recorded.row["costs"][0]["id"])
    complete_transaction(**context, transaction_id=identifier, outcome="success")


def plant(statement):
    """Do what no caller can: past the triggers and the checks."""
    with connection.cursor() as cursor:
        # A table with pending checks can't be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(
            "SELECT conrelid::regclass, conname FROM pg_constraint"
            " WHERE contype IN ('c', 'f') AND conrelid::regclass::text = ANY (%s) ORDER BY 1",
            [list(TABLES)],
        )
        for table, name in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(statement)
        assert cursor.rowcount >= 1


def violated_checks(tenant_id=None):
    return {name for ledger in LEDGERS for name, _, search in checks_of(ledger) if list(search(tenant_id, 1))}


@pytest.mark.usefixtures("books")
def test_books_that_callers_made_are_right(call):
    text, code = call("verify_ledgers")
    assert code == 0, text
    assert violated_checks() == set()


CORRUPTIONS = [
    ("UPDATE billing_wallet SET balance = balance + 1", "billing_wallet_equals_last_entry"),
    ("UPDATE billing_wallet SET last_entry_number = 9", "billing_wallet_equals_last_entry"),
    ("UPDATE billing_transaction SET balance_after = balance_after + 1 WHERE entry_number = 2", "billing_running_balance"),
    ("UPDATE billing_transaction SET entry_number = 9 WHERE entry_number = 4", "billing_running_balance"),
    ("UPDATE billing_transaction SET created_at = '2020-01-01' WHERE entry_number = 3", "billing_running_balance"),
    ("DELETE FROM billing_transaction WHERE entry_number = 2", "billing_running_balance"),
    ("UPDATE billing_transaction SET effect = -effect WHERE entry_number = 3", "billing_entry_effect"),
    ("UPDATE billing_transaction SET currency = 'EUR' WHERE entry_number = 3", "billing_entry_effect"),
    ("UPDATE billing_transactiontype SET direction = 'credit' WHERE code = 'usage'", "billing_entry_effect"),
    ("UPDATE billing_transaction SET reversed_amount = 11 WHERE entry_number = 2", "billing_reversal"),
    ("UPDATE billing_transaction SET reverses_id = NULL WHERE entry_number = 4", "billing_reversal"),
    ("UPDATE billing_dailytotal SET debits = debits + 1", "billing_daily_total"),
    ("DELETE FROM billing_dailytotal WHERE type = 'topup'", "billing_daily_total"),
    ("UPDATE billing_transaction SET amount = 31, effect = -31, balance_after = 69 WHERE entry_number = 2", "billing_digest"),
    ("UPDATE billing_transaction SET metadata = '{\"a\": 1.51}' WHERE entry_number = 2", "billing_digest"),
    ("UPDATE billing_transaction SET occurred_at = occurred_at - interval '1 day' WHERE entry_number = 2", "billing_digest"),
    ("UPDATE billing_transaction SET facts_digest = set_byte(facts_digest, 0, 255 - get_byte(facts_digest, 0))", "billing_digest"),
    ("UPDATE billing_transaction SET facts_digest = '\\x00' WHERE entry_number = 1", "billing_digest"),
    ("UPDATE billing_transaction SET description = 'a cup' WHERE description IS NULL", "billing_digest"),
    ("UPDATE credits_grant SET balance = balance - 1 WHERE idempotency_key = 'g'", "credits_grant_equals_last_entry"),
    ("UPDATE credits_grant SET original_amount = 101 WHERE idempotency_key = 'g'", "credits_grant_equals_last_entry"),
    ("UPDATE credits_grant SET held = 1 WHERE idempotency_key = 'g'", "credits_held_equals_lines"),
    ("UPDATE credits_transaction SET balance_after = 1 WHERE entry_number = 2", "credits_running_balance"),
    ("UPDATE credits_transaction SET entry_number = 5 WHERE entry_number = 3", "credits_running_balance"),
    ("UPDATE credits_transaction SET type = 'CREDIT' WHERE idempotency_key = 't2'", "credits_running_balance"),
    ("UPDATE credits_transaction SET type = 'DEBIT', balance_after = 20 WHERE kind = 'reversal'", "credits_reversal"),
    ("UPDATE credits_transaction SET customer_id = 'peter' WHERE entry_number = 2", "credits_transaction_customer"),
    ("UPDATE credits_transaction SET invoice_id = '' WHERE idempotency_key = 't1'", "credits_invoice_refunds"),
    ("UPDATE credits_transaction SET reason = 'not so' WHERE idempotency_key = 't1'", "credits_transaction_digest"),
    ("UPDATE credits_grant SET cost_of_credit = 81 WHERE idempotency_key = 'g'", "credits_grant_digest"),
    ("UPDATE metering_rollup SET amount = amount + 1 WHERE currency = 'USD'", "metering_rollup_sums"),
    ("UPDATE metering_rollup SET transactions = transactions + 1", "metering_rollup_sums"),
    ("UPDATE metering_cost SET fiat_amount = 9 WHERE is_active", "metering_rollup_sums"),
    ("UPDATE metering_transaction SET status = 'authorized', outcome = NULL", "metering_status_equals_last_step"),
    ("UPDATE metering_cost SET is_active = true WHERE NOT is_active", "metering_supersession"),
    ("UPDATE metering_cost SET supersedes_id = NULL", "metering_supersession"),
    ("UPDATE metering_transaction SET metadata = '{\"a\":1.5}'", "metering_digest"),
    ("UPDATE metering_transaction SET action_name = 'other'", "metering_digest"),
]


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(("statement", "check"), CORRUPTIONS)
def test_each_corruption_is_found_by_its_proof(statement, check):
    plant(statement)
    assert check in violated_checks()


@pytest.mark.usefixtures("books")
def test_the_command_names_the_wrong_row_and_exits_with_one(call, tenant):
    plant("UPDATE billing_transaction SET balance_after = balance_after + 1 WHERE entry_number = 2")
    text, code = call("verify_ledgers", "--ledger", "billing")
    assert code == 1
    assert "WRONG  billing_running_balance" in text
    assert "entry_number=2, number_before=1" in text
    outsider = TenantFactory(slug="outsider")
    assert call("verify_ledgers", "--tenant", "outsider")[1] == 0
    assert violated_checks(outsider.id) == set()
    report = json.loads(call("verify_ledgers", "--tenant", "acme", "--json", "--at-most", 5)[0])
    assert [check["check"] for check in report["checks"] if check["violations"]] == ["billing_running_balance"]
    assert {violation["tenant_id"] for check in report["checks"] for violation in check["violations"]} == {str(tenant.id)}


@pytest.mark.usefixtures("books")
def test_a_right_book_ends_with_its_result_counts_and_time(call):
    text, code = call("verify_ledgers")
    assert code == 0
    checks = len(text.splitlines()) - 1
    pattern = rf"Result: ok\. {checks} checks over 4 rows of billing, 5 rows of credits, 1 rows of metering in [\d.]+ s\. No violations\."
    assert re.fullmatch(pattern, text.splitlines()[-1])


@pytest.mark.usefixtures("books")
def test_a_wrong_book_ends_with_its_result_and_json_has_it_too(call):
    plant("UPDATE billing_transaction SET balance_after = balance_after + 1 WHERE entry_number IN (2, 3)")
    text, code = call("verify_ledgers", "--ledger", "billing", "--at-most", 5)
    last = text.splitlines()[-1]
    assert code == 1
    assert re.fullmatch(r"Result: WRONG\. 1 of \d+ checks over 4 rows of billing in [\d.]+ s\. 2 violations are listed above\.", last)
    report = json.loads(call("verify_ledgers", "--ledger", "billing", "--json", "--at-most", 5)[0])
    assert (report["result"], report["violations"], report["rows"]) == ("violations", 2, {"billing": 4})
    assert json.loads(call("verify_ledgers", "--ledger", "credits", "--json")[0])["result"] == "ok"


@pytest.mark.usefixtures("books")
def test_no_more_violations_are_reported_than_asked_for(call):
    plant("UPDATE billing_transaction SET balance_after = balance_after + 1 WHERE entry_number IN (2, 3)")
    for at_most in (1, 2):
        report = json.loads(call("verify_ledgers", "--ledger", "billing", "--json", "--at-most", at_most)[0])
        assert report["violations"] == at_most
    with pytest.raises(CommandError, match="1 or more"):
        call("verify_ledgers", "--at-most", 0)


@pytest.mark.usefixtures("books")
def test_a_check_that_the_database_refuses_is_no_result(call, monkeypatch):
    from backoffice.management.commands import verify_ledgers
    from kernel.ledger.integrity.checks import Check, find_violations

    broken = Check(name="broken", rule="", statement="SELECT 1 FROM billing_nothing WHERE %(tenant)s IS NULL")
    search = lambda tenant_id, at_most: find_violations([broken], tenant_id=tenant_id, at_most=at_most)  # noqa: E731
    monkeypatch.setattr(verify_ledgers, "checks_of", lambda ledger: [("broken", "", search)])
    with pytest.raises(CommandError, match=r'Not everything was checked\. The database refused: relation "billing_nothing"') as refused:
        call("verify_ledgers", "--ledger", "billing")
    assert refused.value.returncode == 4
