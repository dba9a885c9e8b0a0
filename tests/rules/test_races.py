"""A limit holds under calls that come at the same time."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from metering import services
from metering.models import Cost
from metering.rules.models import AuthorizationRequest, RuleCounter
from tests.races.threads import at_once
from tests.rules.book import COUNT, NAMES, RuleBook, cost, limit

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parent.parent.parent


def outcomes(rows):
    failed = [row for row in rows if isinstance(row, Exception)]
    assert not failed, failed
    return Counter(row["status"] for row in rows)


def test_fifty_callers_on_a_limit_for_twenty_get_exactly_twenty():
    book = RuleBook()
    book.add_rule(limit(2))
    book.add_rule(limit(1000, **COUNT, group_by=["agent"]))
    rows = at_once(50, lambda number: book.record(cost("0.1"), agent_name=f"agent {number % 3}"))
    assert outcomes(rows) == {"authorized": 20, "denied": 30}
    assert book.used()["[]"] == 2
    assert sum(row["fiat_amount"] for each in rows for row in each["costs"]) == 2
    book.is_sound()


def test_fifty_payments_on_a_limit_for_twenty_are_exactly_twenty():
    book = RuleBook().fund()
    book.add_rule(limit(2, measurement_type="sum_payment_amount"))
    made = [book.record()["id"] for _ in range(50)]
    option = {"scheme": "upto", "network": "sapiom:main", "asset": "USD", "amount": "0.1", "payTo": "shop"}
    text = json.dumps({"x402Version": 2, "accepts": [option]})
    rows = at_once(50, lambda number: services.reauthorize_transaction(**book.who, transaction_id=made[number], x402=text).row)
    assert outcomes(rows) == {"authorized": 20, "denied": 30}
    assert book.used() == {"[]": 2}
    book.is_sound()


def test_batches_share_a_limit_exactly():
    book = RuleBook()
    book.add_rule(limit(10))
    rng = random.Random(1)
    arrays = [[NAMES | {"costs": [cost(rng.choice(["0.3", "0.7", "1"]))]} for _ in range(6)] for _ in range(12)]
    done = at_once(12, lambda number: services.record_transactions(**book.who, transactions=arrays[number]))
    rows = [one.row for each in done for one in each]
    authorized = [row for row in rows if row["status"] == "authorized"]
    total = sum(each["fiat_amount"] for row in authorized for each in row["costs"])
    assert (book.used(), total <= 10, total > 9) == ({"[]": total}, True, True)
    book.is_sound()


def test_rules_that_lock_in_opposite_orders_never_deadlock():
    book = RuleBook()
    groups = [["service"], ["action"], ["agent"]]
    for number in range(3):
        book.add_rule(limit(1000, group_by=groups[number]), limit(10_000, **COUNT, group_by=groups[-number - 1]))
    rng = random.Random(2)
    calls = [[(rng.randrange(3), rng.randrange(3), rng.randrange(3)) for _ in range(15)] for _ in range(12)]

    def run(number):
        rows = []
        for place, (service, action, agent) in enumerate(calls[number]):
            facts = {"service_name": f"s{service}", "action_name": f"a{action}", "resource_name": "r", "agent_name": f"g{agent}"}
            items = [facts | {"costs": [cost(1)]}, facts | {"service_name": f"s{place % 3}", "costs": [cost(1)]}]
            rows += services.record_transactions(**book.who, transactions=items)
        return rows

    done = at_once(12, run)
    assert not [one for one in done if isinstance(one, Exception)]
    assert book.authorized() == 12 * 15 * 2
    book.is_sound()


def test_what_an_actual_cost_frees_a_parallel_decision_gets():
    book = RuleBook()
    book.add_rule(limit(10))
    held = book.record(cost(10))

    def run(number):
        if number == 0:
            return book.add_cost(held, 4, supersedes_cost_id=held["costs"][0]["id"]) and held
        return book.record(cost(2))

    rows = at_once(12, run)
    assert not [one for one in rows if isinstance(one, Exception)]
    assert book.used()["[]"] <= 10
    while book.record(cost(2))["status"] == "authorized":
        pass
    assert book.used() == {"[]": 10}
    book.is_sound()


def test_a_rule_made_under_load_counts_everything_once():
    book = RuleBook()
    stop = threading.Event()
    started = threading.Barrier(9)

    def run(number):
        if number == 8:
            started.wait()
            for _ in range(4):
                book.add_rule(limit(10_000, group_by=["agent"]), limit(10_000, interval_value=book.rules + 1))
            stop.set()
            return
        started.wait()
        rng = random.Random(number)
        while not stop.is_set():
            row = book.record(cost(1), agent_name=f"agent {rng.randrange(3)}")
            if rng.random() < 0.5:
                book.add_cost(row, rng.randrange(5), supersedes_cost_id=row["costs"][0]["id"])
        return

    assert not [one for one in at_once(9, run) if one]
    book.is_sound()
    active = Cost.objects.filter(tenant_id=book.tenant_id, is_active=True)
    whole = RuleCounter.objects.filter(tenant_id=book.tenant_id, group_key="[]")
    assert {counter.used for counter in whole} == {sum(each.fiat_amount for each in active)}


@pytest.mark.parametrize("seed", range(3))
def test_random_histories_in_sixteen_threads_leave_sound_counters(seed):
    book = RuleBook()
    book.add_rule(limit(40, group_by=["agent"]), limit(60, **COUNT))
    book.add_rule(limit(90, include_estimates=False, interval_value=2), limit(100, is_rolling=False, time_zone="Europe/Berlin"))
    shared: list = []

    def run(number):
        rng = random.Random(f"{seed}/{number}")
        for _ in range(8):
            act(book, rng, shared)

    found = at_once(16, run)
    assert not [one for one in found if one], found
    book.is_sound()
    estimates_and_actuals = [used for key, used in book.used().items() if key.startswith('["')]
    assert all(used <= 40 or book.late for used in estimates_and_actuals)


def act(book, rng, shared):
    amount = rng.choice(["0.5", "1", "3", "7"])
    choice = rng.random()
    if choice < 0.55 or not shared:
        row = book.record(cost(amount, estimate=rng.random() < 0.7), agent_name=f"agent {rng.randrange(2)}")
        if row["status"] == "authorized":
            shared.append(row)
        return
    row = rng.choice(shared)
    its = book.who | {"transaction_id": row["id"]}
    try:
        if choice < 0.7:
            book.late = True
            services.record_cost(
                **its, fiat_amount=Decimal(amount), fiat_asset_symbol="USD", is_estimate=False, supersedes_cost_id=row["costs"][0]["id"]
            )
        elif choice < 0.8:
            book.late = True
            services.record_cost(**its, fiat_amount=Decimal(amount), fiat_asset_symbol="USD", is_estimate=rng.random() < 0.5)
        elif choice < 0.9:
            services.complete_transaction(**its, outcome="success")
        else:
            services.cancel_transaction(**its)
    except Exception as error:
        if type(error).__name__ not in {"WrongStatus", "AlreadySuperseded", "NotOpen"}:
            raise


KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.db import connection, connections
connections.databases["default"]["NAME"] = {database!r}
from decimal import Decimal
from metering.services import new_transaction_calls, transactions
real = new_transaction_calls.post_new_transaction
def kill(*args, **kwargs):
    real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
new_transaction_calls.post_new_transaction = kill
transactions.new_transaction_calls.post_new_transaction = kill
from uuid import UUID
transactions.record_transaction(
    tenant_id=UUID({tenant!r}), actor="command:test", request_id="test", idempotency_key="k", service_name="openai",
    action_name="chat", resource_name="gpt-4",
    costs=[{{"fiat_amount": Decimal("1"), "fiat_asset_symbol": "USD", "is_estimate": True}}],
)
"""


def test_a_process_killed_before_its_reply_has_decided_once():
    book = RuleBook()
    book.add_rule(limit(1))
    script = KILLED.format(root=str(ROOT), database=connection.settings_dict["NAME"], tenant=str(book.tenant_id))
    done = subprocess.run([sys.executable, "-c", script], env=os.environ, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert book.used() == {"[]": 1}
    again = services.record_transaction(**book.who, **NAMES, costs=[cost(1)], idempotency_key="k")
    assert (again.replayed, again.row["status"], book.used()) == (True, "authorized", {"[]": 1})
    assert AuthorizationRequest.objects.count() == 1
    book.is_sound()
