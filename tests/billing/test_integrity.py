"""Every check finds the corruption it is there for, planted by a hand that switched the guards off; a sound book passes them all."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.integrity.checks import CHECKS, find_violations
from billing.models import Transaction
from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db
HOLDS = "/v1/billing/wallet/holds"
LINES = [
    {"type": "topup", "amount": 100, "reference_id": "1"},
    {"type": "usage", "amount": 30.5, "reference_id": "2", "occurred_at": "2026-01-31T10:00:00Z"},
    {"type": "usage", "amount": 9.5, "reference_id": "3", "occurred_at": "2026-01-31T20:00:00Z"},
    {"type": "never seen", "amount": -3, "reference_id": "4", "currency": "EUR"},
]


@pytest.fixture
def book(record, send, outsider):
    """A ledger with a bit of everything; the ids of its entries."""
    ids = [record(**line)["id"] for line in LINES]
    ids.append(send("POST", f"{TRANSACTIONS}/{ids[1]}/reverse", {"amount": 10, "reference_id": "part"}).json()["id"])
    ids.append(send("POST", f"{TRANSACTIONS}/{ids[2]}/reverse").json()["id"])
    send("POST", TRANSACTIONS, LINES[0], key=outsider)
    for number, (what, body) in enumerate(
        (
            ("capture", {"amount": 1, "final": False, "reference_id": "c"}),
            ("extend", {"expires_at": "2099-01-02T00:00:00Z", "reference_id": "e"}),
        )
    ):
        order = {"amount": 5 + number, "expires_at": "2099-01-01T00:00:00Z", "reference_id": f"h{number}"}
        held = send("POST", HOLDS, order).json()["id"]
        assert send("POST", f"{HOLDS}/{held}/{what}", body).status_code == 200
    return ids


def corrupt(statement, *parameters):
    """As a hand in the database would: with triggers and checks out of the way."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("billing_transaction", "billing_wallethold", "billing_walletholdentry"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint "
            "WHERE conrelid::regclass::text LIKE 'billing%%' AND contype IN ('c', 'u', 'f')"
        )
        for table, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name} CASCADE")
        cursor.execute(statement, parameters)


def violated_checks(tenant_id=None):
    return {violation.check.name for violation in find_violations(tenant_id=tenant_id)}


def test_a_sound_book_has_no_violations(book, tenant):
    assert list(find_violations()) == []
    assert list(find_violations(tenant_id=tenant.id)) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE billing_transaction SET balance_after = balance_after + 1 WHERE reference_id = '2'", {"billing_running_balance"}),
        (
            "UPDATE billing_transaction SET entry_number = 7 WHERE reference_id = '2'",
            {"billing_running_balance", "billing_wallet_equals_last_entry"},
        ),
        (
            "UPDATE billing_transaction SET created_at = created_at - interval '1 hour' WHERE reference_id = '3'",
            {"billing_running_balance"},
        ),
        (
            "UPDATE billing_transaction SET effect = effect - 1 WHERE reference_id = '4'",
            {"billing_running_balance", "billing_entry_effect", "billing_daily_total"},
        ),
        ("UPDATE billing_wallet SET balance = balance + 0.000000000000000001 WHERE currency = 'EUR'", {"billing_wallet_equals_last_entry"}),
        ("UPDATE billing_wallet SET last_entry_number = 9 WHERE currency = 'EUR'", {"billing_wallet_equals_last_entry"}),
        ("UPDATE billing_wallet SET floor = 0 WHERE currency = 'EUR'", {"billing_wallet_floor"}),
        ("UPDATE billing_transaction SET currency = 'GBP' WHERE reference_id = '4'", {"billing_entry_effect", "billing_daily_total"}),
        ("UPDATE billing_transactiontype SET direction = 'credit' WHERE code = 'never seen'", {"billing_entry_effect"}),
        ("UPDATE billing_transaction SET reversed_amount = 11 WHERE reference_id = '2'", {"billing_reversal"}),
        ("UPDATE billing_transaction SET reversed_by_id = NULL WHERE reference_id = '3'", {"billing_reversal"}),
        ("UPDATE billing_transaction SET reverses_id = NULL WHERE reference_id = 'part'", {"billing_entry_effect", "billing_reversal"}),
        ("UPDATE billing_dailytotal SET credits = credits + 1 WHERE type = 'topup'", {"billing_daily_total"}),
        ("UPDATE billing_dailytotal SET entries = 5 WHERE type = 'usage'", {"billing_daily_total"}),
        ("DELETE FROM billing_dailytotal WHERE currency = 'EUR'", {"billing_daily_total"}),
        ("UPDATE billing_transaction SET occurred_at = '2026-02-01' WHERE reference_id = '2'", {"billing_daily_total"}),
        ("UPDATE billing_transaction SET reference_id = '2' WHERE reference_id = '3'", {"billing_unique_key"}),
        ("UPDATE billing_wallet SET held = held + 1 WHERE currency = 'USD'", {"billing_held_equals_holds"}),
        (
            "UPDATE billing_wallethold SET amount = amount + 1 WHERE reference_id = 'h0'",
            {"billing_held_equals_holds", "billing_hold_equals_entries"},
        ),
        (
            "UPDATE billing_wallethold SET captured = 2 WHERE reference_id = 'h0'",
            {"billing_held_equals_holds", "billing_hold_equals_entries"},
        ),
        ("UPDATE billing_wallethold SET currency = 'EUR' WHERE reference_id = 'h0'", {"billing_hold_equals_entries"}),
        (
            "UPDATE billing_wallethold SET status = 'released', closed_at = now() WHERE reference_id = 'h0'",
            {"billing_held_equals_holds", "billing_hold_equals_entries", "billing_hold_moments"},
        ),
        ("UPDATE billing_wallethold SET expires_at = '2100-01-01' WHERE reference_id = 'h1'", {"billing_hold_moments"}),
        ("UPDATE billing_wallethold SET occurred_at = '2020-01-01' WHERE reference_id = 'h1'", {"billing_hold_moments"}),
        ("UPDATE billing_walletholdentry SET held_after = held_after + 1 WHERE kind = 'captured'", {"billing_running_held"}),
        ("UPDATE billing_walletholdentry SET captured_after = 0 WHERE kind = 'captured'", {"billing_running_held"}),
        (
            "UPDATE billing_walletholdentry SET amount = 2 WHERE kind = 'captured'",
            {"billing_hold_equals_entries", "billing_running_held", "billing_hold_debit"},
        ),
        ("UPDATE billing_walletholdentry SET transaction_id = NULL WHERE kind = 'captured'", {"billing_hold_debit"}),
        ("UPDATE billing_walletholdentry SET reference_id = 'other' WHERE kind = 'captured'", {"billing_hold_debit"}),
        ("DELETE FROM billing_walletholdentry WHERE kind = 'extended'", {"billing_hold_moments"}),
        ("DELETE FROM billing_walletholdentry WHERE kind = 'captured'", {"billing_hold_equals_entries", "billing_running_held"}),
        ("DELETE FROM billing_transaction WHERE reference_id = '4'", {"billing_wallet_equals_last_entry", "billing_daily_total"}),
    ],
)
def test_a_direct_change_in_the_database_is_found(book, outsider, statement, expected):
    corrupt(statement)
    assert violated_checks() == expected


def test_a_fault_says_what_is_there_and_what_should_be(book, tenant):
    corrupt("UPDATE billing_wallet SET balance = 5 WHERE currency = 'EUR'")
    violation = next(find_violations())
    assert (violation.facts["tenant_id"], violation.facts["balance"], violation.facts["balance_after"]) == (tenant.id, 5, -3)
    assert violation.check.rule == "A wallet has the balance, number and time of its newest entry."


def test_another_tenants_faults_are_not_this_ones(book, outsider, tenant):
    corrupt("UPDATE billing_wallet SET balance = 5 WHERE currency = 'EUR'")
    assert violated_checks(outsider.key.tenant_id) == set()
    assert violated_checks(tenant.id) == {"billing_wallet_equals_last_entry"}


def test_every_check_is_one_statement(book):
    """So that it reads one snapshot. Beside it there are only the savepoint around it and the setting of the planner."""
    with CaptureQueriesContext(connection) as queries:
        assert violated_checks() == set()
    statements = [query["sql"] for query in queries]
    others = [sql for sql in statements if sql.startswith(("SAVEPOINT ", "RELEASE SAVEPOINT ", "SET LOCAL cursor_tuple_fraction"))]
    assert len(statements) - len(others) == len(CHECKS)


# Each touches what no other check compares. The ledger has no near-duplicate; entry 2 has no agent, description or metadata.
NEW_FACTS = [
    ("UPDATE billing_transaction SET agent_id = 'x' WHERE reference_id = 'part'", {"billing_reversal_facts"}),
    ("UPDATE billing_transaction SET reason_code = '' WHERE reference_id = 'part'", {"billing_reversal_facts"}),
    ("UPDATE billing_transaction SET flags = '{near_duplicate}' WHERE reference_id = '2'", {"billing_near_duplicate_flags"}),
    ("UPDATE billing_transaction SET flags = '{something}' WHERE reference_id = '2'", {"billing_near_duplicate_flags"}),
    (
        "UPDATE billing_transaction SET flags = '{near_duplicate}', near_duplicate_of_id = "
        "(SELECT id FROM billing_transaction WHERE reference_id = '3') WHERE reference_id = '2'",
        {"billing_near_duplicate_flags"},
    ),
    ("UPDATE billing_transaction SET facts_digest = '' WHERE reference_id = '2'", {"billing_digest_facts"}),
    ("UPDATE billing_transaction SET facts_digest = substring(facts_digest FOR 64) WHERE reference_id = '2'", {"billing_digest_facts"}),
    ("UPDATE billing_transaction SET agent_id = 'x' WHERE reference_id = '2'", {"billing_digest_facts", "billing_reversal_facts"}),
    ("UPDATE billing_transaction SET agent_id = '' WHERE reference_id = '2'", {"billing_digest_facts", "billing_reversal_facts"}),
    ("UPDATE billing_transaction SET description = '' WHERE reference_id = '2'", {"billing_digest_facts"}),
    ("UPDATE billing_transaction SET metadata = '{\"a\": 1}' WHERE reference_id = '2'", {"billing_digest_facts"}),
    ("UPDATE billing_transaction SET reason = 'x' WHERE reference_id = '2'", {"billing_digest_facts"}),
]


@pytest.mark.parametrize(("statement", "expected"), NEW_FACTS)
def test_facts_beside_the_balances_are_checked(book, statement, expected):
    corrupt(statement)
    assert violated_checks() == expected


def test_an_entry_dated_ahead_of_the_clock_is_found(book):
    """With its wallet, or the wallet's own check would find it."""
    corrupt("UPDATE billing_transaction SET created_at = created_at + interval '1 day' WHERE reference_id = '4'")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_wallet SET last_entry_at = last_entry_at + interval '1 day' WHERE currency = 'EUR'")
    assert violated_checks() == {"billing_no_future_entries"}


def test_flags_of_a_sound_book_pass(record):
    for number in range(3):
        record(type="charge", amount=5, agent_id="a", metadata={}, reference_id=f"like {number}")
    assert Transaction.objects.exclude(flags=[]).count() == 2
    assert violated_checks() == set()
