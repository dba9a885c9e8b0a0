"""Many at once on one transaction, one key, one name: the database lets each thing happen once."""

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection
from django.db import transaction as db_transaction
from django.utils import timezone

from kernel.ledger.outcomes import Posted
from metering import selectors, services
from metering.choices import Status
from metering.errors import AlreadySuperseded, NotOpen, WrongStatus
from metering.integrity import checks
from metering.models import Agent, Cost, Service, StatusChange, Trace, Transaction
from tests.factories import IssuedKeyFactory, TenantFactory
from tests.metering.conftest import EXAMPLE, Caller

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 40
NAMES = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt-4"}


def at_once(call: Any, *, threads: int = THREADS) -> list[Any]:
    """What each of the threads got from the call, or the error it raised."""
    barrier = Barrier(threads)

    def run(number: int) -> Any:
        barrier.wait()
        try:
            return call(number)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


@pytest.fixture
def context():
    return {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "race"}


def test_forty_threads_with_one_key_make_one_transaction_and_get_equal_replies():
    caller, body = Caller(IssuedKeyFactory()), EXAMPLE.read_bytes()
    replies = at_once(lambda number: caller.post("/v1/transactions", body, **{"Idempotency-Key": "one"}))
    assert Counter(reply.status_code for reply in replies) == {201: THREADS}
    assert len({json.dumps(reply.json()) for reply in replies}) == 1
    assert Transaction.objects.count() == Cost.objects.count() == StatusChange.objects.count() == 1
    assert sum("Idempotent-Replayed" not in reply for reply in replies) == 1


def test_one_new_name_by_forty_threads_is_one_row(context):
    found = at_once(
        lambda number: services.record_transaction(
            **context, **NAMES, agent_name="agent", trace_external_id="trace" if number % 2 else None
        )
    )
    assert all(isinstance(one, Posted) for one in found), found
    assert Service.objects.count() == Agent.objects.count() == 1
    assert Trace.objects.filter(external_id="trace").count() == 1
    assert len({one.row["agent_id"] for one in found}) == 1
    assert Transaction.objects.count() == THREADS


def test_one_trace_id_with_one_external_id_by_forty_threads_is_one_trace(context):
    reference = "123e4567-e89b-12d3-a456-426614174000"
    found = at_once(
        lambda number: services.record_transaction(
            **context, **NAMES, **({"trace_id": reference} if number % 3 else {}), trace_external_id="shared"
        )
    )
    assert all(isinstance(one, Posted) for one in found), found
    assert Trace.objects.filter(external_id="shared").count() == 1
    assert Trace.objects.count() <= 2


def test_of_concurrent_completes_one_succeeds_and_the_others_get_the_status(context):
    row = services.record_transaction(**context, **NAMES).row
    found = at_once(lambda number: services.complete_transaction(**context, transaction_id=row["id"], outcome="success"))
    lost = [one for one in found if isinstance(one, WrongStatus)]
    assert Counter(type(one) for one in found) == {Posted: 1, WrongStatus: THREADS - 1}
    assert {error.facts["status"] for error in lost} == {"completed"}
    assert StatusChange.objects.filter(transaction_id=row["id"]).count() == 2


def test_of_complete_and_cancel_at_once_one_succeeds(context):
    for _ in range(5):
        row = services.record_transaction(**context, **NAMES).row

        def move(number: int, row: Any = row) -> Any:
            if number % 2:
                return services.cancel_transaction(**context, transaction_id=row["id"])
            return services.complete_transaction(**context, transaction_id=row["id"], outcome="error")

        found = at_once(move, threads=8)
        assert Counter(type(one) for one in found) == {Posted: 1, WrongStatus: 7}
        steps = selectors.list_status_changes(tenant_id=context["tenant_id"], transaction_id=row["id"])
        status = selectors.get_transaction(tenant_id=context["tenant_id"], transaction_id=row["id"])["status"]
        assert [step["to_status"] for step in steps] == [Status.AUTHORIZED, status]


def test_of_many_supersessions_of_one_cost_exactly_one_wins(context):
    estimate = {"fiat_amount": Decimal("1"), "fiat_asset_symbol": "USD", "is_estimate": True}
    row = services.record_transaction(**context, **NAMES, costs=[estimate]).row
    cost = {"fiat_asset_symbol": "USD", "is_estimate": False, "supersedes_cost_id": row["costs"][0]["id"]}
    found = at_once(lambda number: services.record_cost(**context, transaction_id=row["id"], fiat_amount=Decimal(number), **cost))
    assert Counter(type(one) for one in found) == {Posted: 1, AlreadySuperseded: THREADS - 1}
    assert Cost.objects.filter(transaction_id=row["id"], is_active=True).count() == 1
    assert Cost.objects.count() == 2


def test_arrays_with_the_same_names_in_opposite_order_are_all_posted(context):
    keys = [f"key-{number}" for number in range(30)]

    def post(number: int) -> Any:
        order = keys if number % 2 else keys[::-1]
        items = [NAMES | {"agent_name": key, "trace_external_id": key, "idempotency_key": key} for key in order]
        return services.record_transactions(**context, transactions=items)

    found = at_once(post, threads=8)
    assert not [one for one in found if isinstance(one, Exception)]
    assert Transaction.objects.count() == Agent.objects.count() == Trace.objects.count() == 30


def test_after_concurrent_calls_every_sum_agrees_with_its_rows(context):
    """Each thread records, completes, cancels, supersedes and reports on what all of them share."""
    estimate = {"fiat_amount": Decimal("0.5"), "fiat_asset_symbol": "USD", "is_estimate": True}
    shared = [services.record_transaction(**context, **NAMES, costs=[estimate]).row for _ in range(6)]

    def act(number: int) -> Any:
        chance = random.Random(number)
        refusals = []
        for _ in range(12):
            row = chance.choice(shared)
            its = context | {"transaction_id": row["id"]}
            try:
                match chance.randrange(5):
                    case 0:
                        agents = [f"a{chance.randrange(3)}" for _ in range(chance.randrange(1, 20))]
                        items = [NAMES | {"agent_name": agent, "costs": [estimate]} for agent in agents]
                        services.record_transactions(**context, transactions=items)
                    case 1:
                        services.complete_transaction(**its, outcome=chance.choice(["success", "error"]))
                    case 2:
                        services.record_cost(**its, **estimate, supersedes_cost_id=row["costs"][0]["id"])
                    case 3:
                        reported = {"source": "s", "version": "1", "fact_phase": "response"}
                        services.record_fact(**its, **reported, facts='{"inputTokens": 100, "outputTokens": 10}')
                    case 4:
                        services.cancel_transaction(**its) if chance.random() < 0.1 else services.record_cost(**its, **estimate)
            except (WrongStatus, AlreadySuperseded, NotOpen) as error:
                refusals.append(error)
        return len(refusals)

    found = at_once(act, threads=12)
    assert not [one for one in found if isinstance(one, Exception)], found
    assert list(checks.find_violations()) == []


def test_response_facts_at_once_leave_one_active_cost(context):
    estimate = {"fiat_amount": Decimal("1"), "fiat_asset_symbol": "USD", "is_estimate": True}
    row = services.record_transaction(**context, **NAMES, costs=[estimate, estimate]).row
    reported = {"source": "s", "version": "1", "fact_phase": "response"}
    recorded = at_once(
        lambda number: services.record_fact(
            **context, transaction_id=row["id"], **reported, facts=f'{{"inputTokens": {number}, "outputTokens": 0}}'
        ),
        threads=12,
    )
    assert not [one for one in recorded if isinstance(one, Exception)], recorded
    assert Cost.objects.filter(transaction_id=row["id"], is_active=True).count() == 1
    # Each cost took the place of the one before it, and the first of the two estimates.
    assert sorted(len(one.row["superseded"]) for one in recorded) == [1] * 11 + [2]
    assert list(checks.find_violations()) == []


class Held:
    """A transaction's row, locked by a session of its own until `release`; what waits for it meanwhile runs in a thread."""

    def __init__(self, transaction_id: Any) -> None:
        self.transaction_id = transaction_id
        self.locked, self.released = Event(), Event()
        self.pool = ThreadPoolExecutor(2)
        self.holder = self.pool.submit(self._hold)
        assert self.locked.wait(10)

    def _hold(self) -> None:
        try:
            with db_transaction.atomic():
                Transaction.objects.select_for_update().get(id=self.transaction_id)
                self.locked.set()
                assert self.released.wait(10)
                # What this session does before it lets go.
                Transaction.objects.filter(id=self.transaction_id).update(authorized_at=timezone.now())
        finally:
            connection.close()

    def run(self, call: Any) -> Any:
        def waiting() -> Any:
            try:
                return call()
            finally:
                connection.close()

        waits = self.pool.submit(waiting)
        with connection.cursor() as cursor:
            for _ in range(200):
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
                if cursor.fetchone()[0]:
                    break
                time.sleep(0.02)
        assert not waits.done()
        self.released.set()
        self.holder.result(10)
        return waits.result(10)


def test_whether_a_transaction_is_stale_is_decided_after_the_wait_for_its_lock(context):
    row = services.record_transaction(**context, **NAMES).row
    Transaction.objects.filter(id=row["id"]).update(authorized_at=timezone.now() - timedelta(hours=2))
    services.set_policy(**context, stale_after=timedelta(hours=1))
    closed = Held(row["id"]).run(lambda: services.close_stale_transactions(actor="job:x", request_id=""))
    assert closed == {context["tenant_id"]: 0}
    assert Transaction.objects.get().status == Status.AUTHORIZED


@pytest.mark.parametrize("path", ["transactions", "analytics/summary", "analytics/chart", "analytics/leaderboards"])
def test_an_answer_up_to_a_past_moment_waits_for_a_posting_in_flight(path):
    caller = Caller(IssuedKeyFactory())
    posted, let_go = Event(), Event()

    def post() -> None:
        try:
            with db_transaction.atomic():
                services.record_transaction(tenant_id=caller.tenant.id, actor="command:test", request_id="", **NAMES)
                posted.set()
                assert let_go.wait(10)
        finally:
            connection.close()

    def read() -> Any:
        try:
            return caller.get(f"/v1/{path}", **{"filter[to_date]": moment.isoformat()})
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        writer = pool.submit(post)
        assert posted.wait(10)
        moment = timezone.now()
        reader = pool.submit(read)
        time.sleep(0.3)
        assert not reader.done()
        let_go.set()
        writer.result(10)
        reply = reader.result(10)
        # Each names the transaction, or counts it.
        assert "'transactions': 1" in str(reply.json()) or len(reply.json()["data"]) == 1
        assert datetime.fromisoformat(reply["Final-Until"]) >= moment
