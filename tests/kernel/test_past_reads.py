"""A read of the past waits for the postings in flight that can still land before its moment, and for nothing else."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from billing.models import Transaction
from billing.services.transactions import record_transaction, record_transactions
from config.local.postgres import SERVICE_ROLE
from kernel.ledger import past_reads
from kernel.ledger.errors import Busy
from kernel.ledger.past_reads import final_until, wait_for_postings_before
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db(transaction=True)

LOCK_WALLETS = "SELECT 1 FROM billing_wallet FOR NO KEY UPDATE"


@pytest.fixture
def tenant():
    tenant = TenantFactory()
    record_transaction(
        tenant_id=tenant.id, actor="test", request_id="", amount=Decimal(100), type="top_up", reference_id="first", currency="USD"
    )
    return tenant


@contextmanager
def open_transaction(statement):
    """Another session in a transaction that has run the statement; yields the database's time after that."""
    parameters = {**connection.get_connection_params(), "cursor_factory": psycopg.Cursor, "context": None}
    with psycopg.connect(**parameters) as session:
        session.execute(statement)
        yield session.execute("SELECT clock_timestamp()").fetchone()[0]


def waiting(tenant, instant):
    """A read that waits in a thread; returns the thread, and where its result will be."""
    results = []

    def wait():
        try:
            results.append(wait_for_postings_before(tenant_id=tenant.id, instant=instant))
        finally:
            connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, results


def test_without_postings_in_flight_a_past_moment_is_final_at_once(tenant, django_assert_num_queries):
    past = timezone.now() - timedelta(seconds=1)
    with django_assert_num_queries(1):
        assert wait_for_postings_before(tenant_id=tenant.id, instant=past) == past


def test_a_future_moment_is_the_moment_of_the_call(tenant):
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        before = cursor.fetchone()[0]
    moment = wait_for_postings_before(tenant_id=tenant.id, instant=timezone.now() + timedelta(days=1))
    assert before < moment < before + timedelta(seconds=5)


@pytest.mark.parametrize(
    "writes",
    [
        LOCK_WALLETS,
        "SELECT 1 FROM billing_wallet FOR KEY SHARE",
        "UPDATE billing_wallet SET balance = balance",
        "LOCK TABLE metering_transaction IN ROW EXCLUSIVE MODE",
    ],
)
def test_a_posting_in_flight_is_waited_for(tenant, writes):
    with open_transaction(writes) as later:
        thread, results = waiting(tenant, later)
        time.sleep(0.2)
        assert results == []
    thread.join(10)
    assert results == [later]


def test_a_posting_that_began_after_the_moment_is_not_waited_for(tenant):
    past = timezone.now() - timedelta(milliseconds=100)
    with open_transaction(LOCK_WALLETS):
        assert wait_for_postings_before(tenant_id=tenant.id, instant=past) == past


@pytest.mark.parametrize(
    "other",
    [
        "SELECT count(*) FROM billing_wallet",
        "UPDATE tenants_tenant SET name = name",
        "CREATE TEMP TABLE scratch (id int)",
        "SELECT pg_current_xact_id()",
    ],
)
def test_a_transaction_that_writes_no_ledger_is_not_waited_for(tenant, other):
    with open_transaction(other) as later:
        assert wait_for_postings_before(tenant_id=tenant.id, instant=later) == later


def test_where_a_posting_stays_in_flight_the_reader_gets_busy(tenant, monkeypatch):
    monkeypatch.setattr(past_reads, "WAIT_TIMEOUT_SECONDS", 0.2)
    with open_transaction(LOCK_WALLETS) as later, pytest.raises(Busy):
        wait_for_postings_before(tenant_id=tenant.id, instant=later)


@pytest.mark.skipif("COUNTINGHOUSE_TEST_SERVER" not in os.environ, reason="needs the roles of the local server")
def test_a_session_whose_start_is_hidden_is_waited_for(tenant, monkeypatch):
    """As that of another role: a command that runs as the owner, seen by the service."""
    monkeypatch.setattr(past_reads, "WAIT_TIMEOUT_SECONDS", 0.2)
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {SERVICE_ROLE}")
        cursor.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
        with open_transaction(LOCK_WALLETS) as later, pytest.raises(Busy):
            wait_for_postings_before(tenant_id=tenant.id, instant=later - timedelta(hours=1))
        assert wait_for_postings_before(tenant_id=tenant.id, instant=later) == later


def test_inside_a_transaction_the_end_of_a_posting_is_seen(tenant):
    with transaction.atomic():
        final_until()
        with open_transaction(LOCK_WALLETS) as later:
            assert final_until() < later
        assert wait_for_postings_before(tenant_id=tenant.id, instant=later) == later


def test_the_final_moment_lies_before_the_oldest_posting_in_flight(tenant):
    before = final_until()
    with open_transaction(LOCK_WALLETS) as later:
        assert before < final_until() < later
    assert final_until() > later


def test_under_load_an_answer_about_the_past_never_changes(tenant):
    """Threads post arrays, large and small, to several wallets, while others list what is in the ledger up to this moment."""
    stop = threading.Event()
    currencies = ["USD", "EUR", "GBP"]

    def post(number):
        try:
            while not stop.is_set():
                lines = [
                    {"amount": Decimal(1), "type": "top_up", "reference_id": str(uuid4()), "currency": currencies[(number + line) % 3]}
                    for line in range(400 if number % 2 else 1)
                ]
                record_transactions(tenant_id=tenant.id, actor="test", request_id="", transactions=lines)
        finally:
            connection.close()

    def rows_until(moment):
        return Transaction.objects.filter(tenant_id=tenant.id, created_at__lte=moment).count()

    def read(back):
        answers = []
        try:
            while not stop.is_set():
                moment = wait_for_postings_before(tenant_id=tenant.id, instant=timezone.now() - back)
                answers.append((moment, rows_until(moment)))
        finally:
            connection.close()
        return answers

    with ThreadPoolExecutor(8) as pool:
        posters = [pool.submit(post, number) for number in range(4)]
        readers = [pool.submit(read, timedelta(milliseconds=back)) for back in (0, 0, 20, -1000)]
        time.sleep(6)
        stop.set()
        answers = [answer for reader in readers for answer in reader.result()]
        assert all(poster.result() is None for poster in posters)
    assert len(answers) > 20
    assert [answer for answer in answers if rows_until(answer[0]) != answer[1]] == []
