"""Each check of the credits ledger finds a row that was changed by hand in the database."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from backoffice.integrity.checks import checks_of
from credits import services

NAMES = ("grant", "transaction", "consumption", "hold", "holdline", "holdentry", "holdcall", "recurringgrant")
TABLES = [f"credits_{name}" for name in NAMES]


@pytest.fixture
def full_book(book):
    """A draw, a hold that was captured in part and one that is active, a partial reversal, and grants with each status."""
    book.grant(10, cost_of_credit=Decimal(7))
    book.grant(10, name="open")
    acme = {**book.context, "customer_id": "acme", "currency": "USD"}
    services.consume(**acme, amount=Decimal(12), reason="order")
    until = datetime.now(UTC) + timedelta(hours=1)
    hold = services.place_hold(**acme, amount=Decimal(4), expires_at=until)
    services.capture_hold(**book.context, customer_id="acme", hold_id=hold.row.id, amount=Decimal(3))
    open_hold = services.place_hold(**acme, amount=Decimal(2), expires_at=until)
    its = {**book.context, "customer_id": "acme", "hold_id": open_hold.row.id}
    services.extend_hold(**its, expires_at=until + timedelta(hours=1), idempotency_key="later")
    services.void_grant(**book.context, grant_id=book.grant(5, name="voided", customer_id="other"), reason="r")
    book.grant(5, customer_id="other", effective_date=date(2026, 1, 1), expiry_date=date(2026, 1, 31))
    list(services.expire_grants(actor="job:test", request_id="", tenant_id=book.tenant_id))
    debit = book.debit(book.grant(5, customer_id="other"), 3, idempotency_key="k")
    services.reverse_transaction(**book.context, transaction_id=debit.row.id, amount=Decimal(2), reason="r", idempotency_key="part")
    facts = {"customer_id": "other", "name": "monthly", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(10)}
    services.create_recurring_grant(**book.context, **facts)
    last_month = (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)
    services.create_recurring_grant(**book.context, **facts | {"customer_id": "roll"}, starts_on=last_month, rollover_cap=Decimal(6))
    return book


def corrupt(statement):
    """Changes rows without triggers and constraints, as no caller can."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        query = "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype IN ('c', 'f') AND conrelid::regclass::text = ANY (%s)"
        cursor.execute(query, [TABLES])
        for table, name in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(statement)
        assert cursor.rowcount >= 1


def test_a_book_without_corruption_passes_every_check(full_book):
    full_book.check()


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        (
            "UPDATE credits_transaction SET cost_basis = cost_basis + 0.000000000000000001 WHERE kind = 'consumption'",
            "credits_entry_cost_basis",
        ),
        ("UPDATE credits_transaction SET cost_basis = NULL WHERE kind = 'consumption'", "credits_entry_cost_basis"),
        ("UPDATE credits_consumption SET taken = 11", "credits_draw_total"),
        ("DELETE FROM credits_consumption", "credits_references_exist"),
        ("DELETE FROM credits_hold WHERE status = 'active'", "credits_references_exist"),
        ("UPDATE credits_transaction SET billing_run_id = 'r' WHERE kind = 'consumption'", "credits_draw_facts"),
        ("UPDATE credits_transaction SET chosen_by = jsonb_set(chosen_by, '{rank}', '7') WHERE kind = 'consumption'", "credits_draw_facts"),
        ("UPDATE credits_transaction SET occurred_at = occurred_at + interval '1 day' WHERE kind = 'consumption'", "credits_draw_facts"),
        ("UPDATE credits_transaction SET reason = 'r' WHERE kind = 'rollover'", "credits_rollover"),
        ("UPDATE credits_transaction SET occurred_at = occurred_at - interval '1 day' WHERE kind = 'rollover'", "credits_rollover"),
        ("UPDATE credits_recurringgrant SET rollover_cap = 5 WHERE rollover_cap = 6", "credits_rollover"),
        ("UPDATE credits_transaction SET kind = 'credit' WHERE kind = 'rollover'", "credits_key_digest"),
        ("UPDATE credits_transaction SET kind = 'reinstatement' WHERE kind = 'reversal'", "credits_key_digest"),
        ("UPDATE credits_transaction SET facts_digest = NULL, idempotency_key = NULL WHERE idempotency_key = 'k'", "credits_key_digest"),
        ("UPDATE credits_grant SET created_at = created_at - interval '1 day' WHERE name = 'open'", "credits_grant_equals_last_entry"),
        (
            "UPDATE credits_transaction SET occurred_at = occurred_at - interval '1 day' WHERE kind = 'opening'",
            "credits_grant_equals_last_entry",
        ),
        ("UPDATE credits_consumption SET invoice_id = 'i'", "credits_consumption_digest"),
        ("UPDATE credits_hold SET reason = 'r' WHERE status = 'active'", "credits_hold_digest"),
        ("UPDATE credits_hold SET closed_at = closed_at + interval '1 s' WHERE status = 'captured'", "credits_hold_moments"),
        ("UPDATE credits_holdentry SET occurred_at = occurred_at - interval '1 s'", "credits_hold_moments"),
        ("UPDATE credits_holdentry SET created_at = created_at - interval '1 hour'", "credits_hold_moments"),
        ("UPDATE credits_recurringgrant SET next_period = next_period + 1", "credits_recurring_grant_period"),
        ("UPDATE credits_recurringgrant SET next_on = next_on + 1", "credits_recurring_grant_period"),
        ("UPDATE credits_recurringgrant SET ends_on = starts_on + 1000", "credits_recurring_grant_digest"),
        ("UPDATE credits_grant SET expiry_date = '2199-01-01' WHERE name = 'open'", "credits_grant_digest"),
        ("UPDATE credits_transaction SET consumption_id = NULL WHERE kind = 'consumption'", "credits_draw_total"),
        ("UPDATE credits_hold SET captured = 2 WHERE status = 'captured'", "credits_hold_equals_lines"),
        ("UPDATE credits_hold SET amount = 5 WHERE status = 'captured'", "credits_hold_equals_lines"),
        ("UPDATE credits_hold SET status = 'released' WHERE status = 'active'", "credits_hold_equals_lines"),
        ("UPDATE credits_holdline SET remaining = 1 WHERE remaining = 2", "credits_hold_line"),
        ("UPDATE credits_holdentry SET amount = 2 WHERE kind = 'released'", "credits_hold_line"),
        ("DELETE FROM credits_holdentry WHERE kind = 'captured'", "credits_hold_line"),
        ("UPDATE credits_consumption SET amount = 13, partial = true", "credits_consumption_digest"),
        ("UPDATE credits_consumption SET amount = 13", "credits_draw_total"),
        ("UPDATE credits_consumption SET reason = 'another'", "credits_consumption_digest"),
        ("UPDATE credits_hold SET customer_id = 'another'", "credits_hold_digest"),
        ("UPDATE credits_hold SET expires_at = expires_at + interval '1 day'", "credits_hold_entries"),
        ("UPDATE credits_holdline SET expires_at = expires_at + interval '1 day'", "credits_hold_entries"),
        ("UPDATE credits_hold SET close_digest = facts_digest WHERE status = 'captured'", "credits_hold_close_digest"),
        ("UPDATE credits_hold SET close_digest = NULL WHERE status = 'captured'", "credits_hold_entries"),
        ("UPDATE credits_hold SET status = 'active', closed_at = NULL WHERE status = 'captured'", "credits_hold_entries"),
        ("UPDATE credits_transaction SET hold_id = NULL WHERE kind = 'capture'", "credits_hold_entries"),
        ("UPDATE credits_holdcall SET amount = 2 WHERE kind = 'captured'", "credits_hold_calls"),
        ("UPDATE credits_holdcall SET captured_after = 9 WHERE kind = 'captured'", "credits_hold_calls"),
        ("UPDATE credits_holdcall SET is_final = false WHERE kind = 'captured'", "credits_hold_calls"),
        ("UPDATE credits_holdcall SET expires_at = expires_at + interval '1 s' WHERE kind = 'extended'", "credits_hold_calls"),
        ("UPDATE credits_holdcall SET expires_before = expires_before + interval '1 s' WHERE kind = 'extended'", "credits_hold_digest"),
        ("DELETE FROM credits_holdcall WHERE kind = 'captured'", "credits_hold_moments"),
        ("UPDATE credits_holdcall SET invoice_id = 'i' WHERE kind = 'captured'", "credits_hold_capture_digest"),
        ("UPDATE credits_holdcall SET expires_at = '2100-01-01' WHERE kind = 'extended'", "credits_hold_extension_digest"),
        ("UPDATE credits_holdentry SET held_after = held_after + 1 WHERE kind = 'captured'", "credits_running_held"),
        ("UPDATE credits_recurringgrant SET amount = amount + 1", "credits_recurring_grant_digest"),
        ("UPDATE credits_transaction SET facts_digest = NULL WHERE idempotency_key = 'k'", "credits_key_digest"),
        ("UPDATE credits_transaction SET facts_digest = '' WHERE idempotency_key = 'k'", "credits_key_digest"),
        ("UPDATE credits_transaction SET amount = amount + 2 WHERE kind = 'reversal'", "credits_reversal"),
        ("UPDATE credits_grant SET status = 'expired', closed_at = now() WHERE name = 'open'", "credits_grant_status"),
        ("UPDATE credits_grant SET status = 'open', closed_at = NULL WHERE name = 'voided'", "credits_grant_status"),
        ("UPDATE credits_grant SET closed_at = NULL WHERE name = 'voided'", "credits_grant_status"),
        ("UPDATE credits_transaction SET occurred_at = occurred_at - interval '1 second' WHERE kind = 'expiry'", "credits_expiry_day"),
        ("UPDATE credits_transaction SET created_at = created_at + interval '1 year' WHERE kind = 'debit'", "credits_expiry_day"),
    ],
)
def test_each_corruption_is_found_by_its_check(full_book, statement, check):
    corrupt(statement)
    assert check in {name for name, _, search in checks_of("credits") if list(search(full_book.tenant_id, 1))}
