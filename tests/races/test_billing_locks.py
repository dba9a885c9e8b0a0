"""What is read before a wait for a lock is read again after it: one session is held at a lock while another commits."""

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from django.db import connection, transaction

from billing import services
from billing.errors import FloorAboveBalance
from billing.integrity.checks import find_violations
from billing.models import DailyTotal, Transaction, Wallet
from billing.selectors import get_statement
from kernel.ledger.errors import Insufficient, LedgerError
from kernel.ledger.identifiers import new_id
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_SECONDS = 20


@pytest.fixture
def context(db):
    return {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": ""}


def record(context, amount, reference_id, *, type="topup", currency="USD", **more):
    return services.record_transaction(
        **context, amount=Decimal(amount), type=type, reference_id=reference_id, currency=currency, **more
    ).row


class Call(threading.Thread):
    """A service call in a thread, with a connection of its own; `outcome` is what it returned or the LedgerError that it raised."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call = call
        self.outcome = None
        self.start()

    def run(self):
        try:
            self.outcome = self.call()
        except LedgerError as error:
            self.outcome = error
        finally:
            connection.close()

    def result(self):
        self.join(WAIT_SECONDS)
        assert not self.is_alive()
        return self.outcome


def wait_until_blocked():
    """Until a session of this database waits for a lock."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


@contextmanager
def other_session():
    """A second connection in an open transaction; it commits at the end of the block."""
    parameters = connection.get_connection_params()
    parameters = {name: value for name, value in parameters.items() if name in {"host", "port", "dbname", "user", "password"}}
    with psycopg.connect(**parameters) as session:
        yield session


def test_a_reversal_goes_to_its_originals_wallet_though_the_original_was_committed_while_it_waited(context):
    """Before the wait nothing says that the original is in EUR: the reversal waits for the wallet of the tenant's own currency."""
    record(context, 1, "usd")
    record(context, 1, "eur", currency="EUR")
    original_id = new_id()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM billing_wallet WHERE tenant_id = %s ORDER BY id FOR UPDATE", [context["tenant_id"]])
        reversal = Call(lambda: services.reverse_transaction(**context, transaction_id=original_id, reason_code="other"))
        wait_until_blocked()
        line = {"id": original_id, "amount": Decimal(7), "type": "topup", "reference_id": "original", "currency": "EUR"}
        encoded = services.encode_import(line, actor="command:test", request_id="")
        services.record_imported_many(tenant_id=context["tenant_id"], lines=[encoded])
    assert reversal.result().row.reverses_id == original_id
    entry = Transaction.objects.get(reverses=original_id)
    assert (entry.currency, entry.wallet_id) == ("EUR", Transaction.objects.get(id=original_id).wallet_id)
    assert list(find_violations(tenant_id=context["tenant_id"])) == []


def test_a_debit_is_decided_by_the_floor_that_was_set_while_it_waited(context):
    record(context, 10, "start")
    record(context, 0, "type", type="usage")
    with transaction.atomic():
        services.set_floor(**context, currency="USD", floor=Decimal(5))
        debit = Call(lambda: record(context, 8, "debit", type="usage"))
        wait_until_blocked()
    assert isinstance(debit.result(), Insufficient)


def test_a_floor_is_compared_with_the_balance_that_a_debit_left_while_it_waited(context):
    record(context, 10, "start")
    with transaction.atomic():
        record(context, 8, "debit", type="usage")
        floor = Call(lambda: services.set_floor(**context, currency="USD", floor=Decimal(5)))
        wait_until_blocked()
    assert isinstance(floor.result(), FloorAboveBalance)
    assert Wallet.objects.get().floor is None


def test_a_wallet_is_opened_with_the_floor_that_stands_when_it_is_opened(context):
    """Who opens a wallet holds the policy: another default floor waits until the wallet is there."""
    services.set_policy(**context, default_floor=None)
    record(context, 1, "type", type="usage", currency="GBP")
    with other_session() as session:
        session.execute("SELECT FROM billing_policy WHERE tenant_id = %s FOR UPDATE", [context["tenant_id"]])
        session.execute("UPDATE billing_policy SET default_floor = 0 WHERE tenant_id = %s", [context["tenant_id"]])
        opening = Call(lambda: record(context, 5, "debit", type="usage"))
        wait_until_blocked()
    assert isinstance(opening.result(), Insufficient)
    assert not Wallet.objects.filter(currency="USD").exists()


def test_two_first_postings_open_one_wallet_and_a_refused_one_leaves_none(context):
    services.set_policy(**context, default_floor=Decimal(0))
    record(context, 1, "type", currency="GBP")
    record(context, 0, "type", type="usage", currency="GBP")
    with transaction.atomic():
        record(context, 3, "first")
        second = Call(lambda: record(context, 2, "second", type="usage"))
        third = Call(lambda: record(context, 2, "third", type="usage"))
        wait_until_blocked()
    outcomes = [second.result(), third.result()]
    assert sorted(isinstance(outcome, Insufficient) for outcome in outcomes) == [False, True]
    assert Wallet.objects.get(currency="USD").balance == 1
    assert list(find_violations(tenant_id=context["tenant_id"])) == []


def test_a_refused_posting_never_removes_a_wallet_that_it_did_not_open(context):
    """An imported entry keeps its id, which may be that of an empty wallet whose floor was set."""
    wallet = services.set_floor(**context, currency="EUR", floor=Decimal(-5))
    services.set_policy(**context, default_floor=Decimal(0))
    line = {"id": wallet.id, "amount": Decimal(1), "type": "usage", "reference_id": "x", "currency": "USD"}
    encoded = services.encode_import(line, actor="command:test", request_id="")
    [outcome] = services.record_imported_many(tenant_id=context["tenant_id"], lines=[encoded])
    assert isinstance(outcome, Insufficient)
    assert Wallet.objects.get().floor == -5


def test_a_rebuild_waits_for_the_posting_that_opens_a_wallet(context):
    """Otherwise the new entry would be counted by the rebuild and add itself to the totals as well, or collide with them."""
    record(context, 1, "start")
    with transaction.atomic():
        record(context, 5, "opens", currency="EUR")
        rebuild = Call(lambda: services.rebuild_wallets(tenant_id=context["tenant_id"]))
        wait_until_blocked()
    assert rebuild.result() == 0
    assert sorted(DailyTotal.objects.values_list("currency", "entries", "credits")) == [("EUR", 1, 5), ("USD", 1, 1)]
    assert list(find_violations(tenant_id=context["tenant_id"])) == []


def test_the_posting_that_opens_a_wallet_waits_for_a_rebuild(context):
    record(context, 1, "start")
    with transaction.atomic():
        services.rebuild_wallets(tenant_id=context["tenant_id"])
        opening = Call(lambda: record(context, 5, "opens", currency="EUR"))
        wait_until_blocked()
        assert not Wallet.objects.filter(currency="EUR").exists()
    assert opening.result().balance_after == 5
    assert list(find_violations(tenant_id=context["tenant_id"])) == []


def test_a_statement_waits_for_the_first_posting_of_its_wallet(context):
    record(context, 1, "start")
    with transaction.atomic():
        first = record(context, 5, "opens", currency="EUR")
        statement = Call(lambda: get_statement(tenant_id=context["tenant_id"], currency="EUR", until=datetime.now(UTC)))
        time.sleep(0.3)
        assert statement.is_alive()
    reply = statement.result()
    assert first.created_at < reply.until
    assert (reply.closing_balance, reply.entry_count) == (5, 1)


def test_times_come_from_the_database_and_never_step_back(context):
    """A wallet whose newest entry is dated ahead of the clock, as after a step back of the clock: later entries don't overtake it."""
    record(context, 1, "start")
    ahead = datetime(2190, 1, 1, tzinfo=UTC)
    Wallet.objects.update(last_entry_at=ahead)
    alone = record(context, 1, "alone")
    [first, second] = services.record_transactions(
        **context, transactions=[{"amount": Decimal(1), "type": "topup", "reference_id": str(number)} for number in range(2)]
    )
    for row in (alone, first.row, second.row):
        assert (row.created_at, row.occurred_at) == (ahead, ahead)
