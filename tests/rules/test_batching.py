"""Gathered postings: one tenant's rules never hold up another tenant's rows."""

import time

import pytest
from django.db import connection, transaction

from metering import services
from metering.rules.models import RuleCounter
from metering.services import new_transaction_calls, posting_columns
from tests.races.threads import at_once
from tests.rules.book import NAMES, RuleBook, cost, limit

pytestmark = pytest.mark.django_db(transaction=True)


def test_others_are_recorded_while_a_counter_is_held(settings, monkeypatch):
    settings.LEDGER_BATCHING = True
    monkeypatch.setattr(new_transaction_calls, "_in_order_until", {})
    ruled, free = RuleBook(), RuleBook()
    ruled.add_rule(limit(1000))
    ruled.record(cost(1))
    monkeypatch.setattr(new_transaction_calls, "_in_order_until", {})
    counter = RuleCounter.objects.get()
    seconds = []

    def run(number):
        if number == 0:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT FROM rules_rulecounter WHERE tenant_id = %s AND id = %s FOR UPDATE", [ruled.tenant_id, counter.id])
                time.sleep(1.5)
            return None
        time.sleep(0.2)
        book = ruled if number % 2 else free
        begun = time.monotonic()
        row = book.record(cost(1))
        if book is free:
            seconds.append(time.monotonic() - begun)
        return row["status"]

    found = at_once(21, run)
    assert found[1:] == ["authorized"] * 20
    # The counter is held for more than a second after these began.
    assert max(seconds) < 1.0
    assert ruled.used() == {"[]": 11}
    ruled.is_sound()


def test_one_tenants_postings_share_a_call_and_a_limit_holds(settings):
    settings.LEDGER_BATCHING = True
    book = RuleBook()
    book.add_rule(limit(5))
    rows = at_once(30, lambda number: book.record(cost(1)))
    assert sorted(row["status"] for row in rows) == ["authorized"] * 5 + ["denied"] * 25
    book.is_sound()


@pytest.mark.parametrize("holds_estimates", [False, True])
def test_a_batch_that_is_sent_as_columns_is_decided_as_one_of_objects(holds_estimates, monkeypatch):
    found = []
    for fewest in (1, 1000):
        monkeypatch.setattr(posting_columns, "MIN_POSTINGS", fewest)
        book = RuleBook().fund(4)
        book.add_rule(limit(5))
        services.set_policy(**book.who, holds_estimates=holds_estimates)
        items = [NAMES | {"customer_id": f"c {number}", "costs": [cost(1)]} for number in range(8)]
        rows = [one.row for one in services.record_transactions(**book.who, transactions=items)]
        found.append([(row["status"], row["decline_reason"], row["customer_id"], len(row["costs"])) for row in rows])
        book.is_sound()
    assert found[0] == found[1]
    paid = 4 if holds_estimates else 5
    assert [status for status, *_ in found[0]] == ["authorized"] * paid + ["denied"] * (8 - paid)
