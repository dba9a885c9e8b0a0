"""A plan and its application read of the ledger what their own rows name, however much more is there."""

import pytest
from django.db import connection

from kernel.backfills.models import BackfillRun
from kernel.backfills.planning import make_plan
from tests.rows_read import rows_read

pytestmark = pytest.mark.django_db(transaction=True)
ENTRIES = ["billing_transaction", "metering_transaction", "credits_transaction"]
BOOK, ROWS, BATCH = 2000, 500, 25
GRANTS = [{"idempotency_key": f"g{number}", "customer_id": "c", "name": "n", "unit_type": "CURRENCY"} for number in range(3)]


def billing(number):
    return {"reference_id": f"r{number}", "type": "topup", "amount": "1", "occurred_at": moment(number)}


def metered(number):
    costs = '[{"fiatAmount": "1", "fiatAssetSymbol": "USD", "isEstimate": false}]'
    names = {"service_name": "s", "action_name": "a", "resource_name": "r", "agent_name": "robot"}
    return {"idempotency_key": f"t{number}", **names, "occurred_at": moment(number), "outcome": "success", "costs": costs}


def debit(number):
    return {"idempotency_key": f"d{number}", "grant_key": f"g{number % 3}", "type": "DEBIT", "amount": "1", "occurred_at": moment(number)}


def moment(number):
    return f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"


@pytest.fixture
def any_size():
    """Small tables are planned for as large ones are: by what an index leads to."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
    yield
    connection.close()


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize(
    ("command", "row"),
    [("backfill_billing_transactions", billing), ("backfill_metered_transactions", metered), ("backfill_credit_transactions", debit)],
)
def test_batches_read_no_more_of_a_full_book_than_they_name(bring, write, call, monkeypatch, command, row):
    bring("backfill_credit_grants", write([{**grant, "amount": "1000000", "effective_date": "2026-01-01"} for grant in GRANTS]))
    bring(command, write([row(number) for number in range(BOOK)]))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    monkeypatch.setattr(make_plan, "CHUNK", BATCH)
    before = rows_read(*ENTRIES)
    call(command, "acme", write([row(number) for number in range(BOOK, BOOK + ROWS)]), "--plan")
    run = BackfillRun.objects.order_by("-id").first()
    call(command, "--apply", run.id, "--batch-size", BATCH)
    run.refresh_from_db()
    assert (run.position, run.counts) == (ROWS, {"posted": ROWS})
    # A plan looks once for the newest entry of each account; twenty batches that did so would read the ledger twenty times.
    assert rows_read(*ENTRIES) - before <= BOOK + 5 * ROWS


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize(
    ("command", "row"),
    [("backfill_billing_transactions", billing), ("backfill_metered_transactions", metered), ("backfill_credit_transactions", debit)],
)
def test_taking_a_run_back_passes_over_what_is_taken_back_once(bring, write, call, command, row):
    bring("backfill_credit_grants", write([{**grant, "amount": "1000000", "effective_date": "2026-01-01"} for grant in GRANTS]))
    call(command, "acme", write([row(number) for number in range(ROWS)]), "--plan")
    call(command, "--apply", BackfillRun.objects.order_by("-id").first().id, "--batch-size", BATCH)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    run = BackfillRun.objects.order_by("-id").first()
    before = rows_read(*ENTRIES)
    call(command, "--undo", run.id, "--batch-size", BATCH)
    run.refresh_from_db()
    assert run.state == "undone"
    # Twenty batches that each begin at the newest end would read the run ten times over.
    assert rows_read(*ENTRIES) - before <= 12 * ROWS
    assert call("verify_ledgers")[1] == 0
