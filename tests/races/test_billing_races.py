"""Concurrent calls to one wallet: each fact is recorded once, no amount is lost, no floor is crossed."""

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Count, Sum
from django.test import Client

from billing import services
from billing.models import DailyTotal, Transaction, TransactionType, Wallet
from billing.selectors import get_statement
from kernel.ledger.errors import Insufficient, LedgerError
from kernel.ledger.outcomes import Posted
from tests.factories import IssuedKeyFactory, TenantFactory

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(calls, *, threads):
    """The answers of many calls made by many threads, each thread with a connection of its own; a refusal is an answer."""

    def run(call):
        try:
            return call()
        except LedgerError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, calls))


def assert_the_book_agrees():
    for wallet in Wallet.objects.all():
        entries = list(Transaction.objects.filter(wallet=wallet).order_by("entry_number"))
        assert [entry.entry_number for entry in entries] == list(range(1, wallet.last_entry_number + 1))
        balance = Decimal(0)
        for entry in entries:
            balance += entry.effect
            assert entry.balance_after == balance
        assert wallet.balance == balance
        assert [entry.created_at for entry in entries] == sorted(entry.created_at for entry in entries)
        totals = DailyTotal.objects.filter(tenant=wallet.tenant, currency=wallet.currency)
        assert totals.aggregate(net=Sum("credits") - Sum("debits"))["net"] == balance
        assert totals.aggregate(entries=Sum("entries"))["entries"] == len(entries)


@pytest.fixture
def tenant(db):
    return TenantFactory()


@pytest.fixture
def context(tenant):
    return {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}


def test_forty_threads_with_one_key_write_one_row_and_get_the_same_reply():
    key = IssuedKeyFactory()
    body = {"amount": "12.50", "type": "usage", "reference_id": "once"}

    def post():
        reply = Client().post(
            "/v1/billing/transactions", body, content_type="application/json", headers={"Authorization": f"Bearer {key.token}"}
        )
        return reply.status_code, reply.content, reply.get("Idempotent-Replayed")

    answers = at_once([post] * 40, threads=40)
    assert {status for status, _, _ in answers} == {200}
    assert len({content for _, content, _ in answers}) == 1
    assert sorted(replayed or "" for _, _, replayed in answers) == ["", *["true"] * 39]
    assert Transaction.objects.count() == 1
    assert_the_book_agrees()


def test_sixteen_threads_never_take_a_wallet_below_its_floor(context):
    services.record_transaction(**context, amount=Decimal(100), type="topup", reference_id="start")
    services.set_floor(**context, currency="USD", floor=Decimal("-7.5"))
    calls = [
        lambda number=number: services.record_transaction(**context, amount=Decimal("3"), type="usage", reference_id=str(number))
        for number in range(64)
    ]
    answers = at_once(calls, threads=16)
    assert sum(isinstance(answer, Insufficient) for answer in answers) == 64 - 35
    assert Wallet.objects.get().balance == Decimal(-5)
    assert_the_book_agrees()


def test_concurrent_first_postings_open_one_wallet(context):
    calls = [
        lambda number=number: services.record_transaction(
            **context, amount=Decimal(1), type="note", reference_id=str(number), currency="EUR" if number % 2 else "USD"
        )
        for number in range(32)
    ]
    at_once(calls, threads=16)
    assert sorted(Wallet.objects.values_list("currency", "balance")) == [("EUR", 16), ("USD", 16)]
    assert TransactionType.objects.count() == 1
    assert_the_book_agrees()


def test_one_transaction_is_reversed_once_by_sixteen_threads(context):
    original = services.record_transaction(**context, amount=Decimal(10), type="usage", reference_id="one").row
    calls = [lambda: services.reverse_transaction(**context, transaction_id=original.id, reason_code="duplicate")] * 16
    answers = at_once(calls, threads=16)
    posted = [answer for answer in answers if not isinstance(answer, LedgerError)]
    assert len(posted) == 1
    assert {answer.code for answer in answers if isinstance(answer, LedgerError)} == {"already_reversed"}
    assert {answer.facts["reversed_by"] for answer in answers if isinstance(answer, LedgerError)} == {posted[0].row.id}
    assert_the_book_agrees()


def test_parts_that_are_reversed_at_once_never_exceed_the_whole(context):
    original = services.record_transaction(**context, amount=Decimal(10), type="usage", reference_id="one").row
    calls = [
        lambda number=number: services.reverse_transaction(
            **context, transaction_id=original.id, reason_code="other", amount=Decimal(3), reference_id=f"part {number}"
        )
        for number in range(16)
    ]
    answers = at_once(calls, threads=16)
    assert sum(not isinstance(answer, LedgerError) for answer in answers) == 3
    original = Transaction.objects.get(id=original.id)
    assert (original.reversed_amount, original.reversed_by_id) == (9, None)
    assert_the_book_agrees()


def test_concurrent_batches_over_several_wallets_and_keys_all_post_once(context):
    """Overlapping references in opposite orders over three currencies: no deadlock, each key once."""
    chooser = random.Random(7)
    lines = [
        {
            "amount": Decimal(number % 9),
            "type": f"kind {number % 5}",
            "reference_id": str(number),
            "currency": ("USD", "EUR", "GBP")[number % 3],
        }
        for number in range(60)
    ]
    batches = [chooser.sample(lines, 40) for _ in range(24)]
    answers = at_once([lambda batch=batch: services.record_transactions(**context, transactions=batch) for batch in batches], threads=12)
    assert all(isinstance(answer, Posted) for batch in answers for answer in batch)
    assert Transaction.objects.values("type", "reference_id").annotate(times=Count("id")).filter(times__gt=1).count() == 0
    posted = sum(not answer.replayed for batch in answers for answer in batch)
    assert posted == Transaction.objects.count() <= 60
    assert_the_book_agrees()


def test_a_type_defined_while_it_is_first_used_keeps_one_direction(context):
    """The call that comes first decides the direction; the other one is refused, or takes the same direction."""
    for number in range(10):
        code = f"kind {number}"
        at_once(
            [
                lambda code=code: services.record_transaction(**context, amount=Decimal(1), type=code, reference_id="1"),
                lambda code=code: services.define_type(**context, code=code, label="", direction="debit"),
            ],
            threads=2,
        )
        entry = Transaction.objects.get(type=code)
        kind = TransactionType.objects.get(code=code)
        assert entry.direction == kind.direction
        assert entry.effect == (-1 if kind.direction == "debit" else 1)
    assert_the_book_agrees()


def test_each_period_closes_where_the_next_opens_while_others_post(context):
    """Statements cut at `now` while sixteen threads post: the statement of a period doesn't change afterwards."""
    done = threading.Event()
    cut_statements = []

    def cut():
        since = datetime(2020, 1, 1, tzinfo=UTC)
        while not done.is_set():
            until = datetime.now(UTC)
            cut_statements.append(get_statement(tenant_id=context["tenant_id"], currency="USD", since=since, until=until))
            since = until
        connection.close()

    reader = threading.Thread(target=cut)
    reader.start()
    calls = [
        lambda number=number: services.record_transaction(**context, amount=Decimal(1), type="note", reference_id=str(number))
        for number in range(300)
    ]
    at_once(calls, threads=16)
    done.set()
    reader.join()
    now = datetime.now(UTC)
    cut_statements.append(
        get_statement(tenant_id=context["tenant_id"], currency="USD", since=cut_statements[-1].until, until=now + timedelta(seconds=1))
    )
    for earlier, later in itertools.pairwise(cut_statements):
        assert later.opening_balance == earlier.closing_balance
    assert cut_statements[-1].closing_balance == 300
    assert sum(part.entry_count for part in cut_statements) == 300
    again = get_statement(tenant_id=context["tenant_id"], currency="USD", since=cut_statements[0].since, until=cut_statements[-1].until)
    assert (again.closing_balance, again.entry_count) == (300, 300)
