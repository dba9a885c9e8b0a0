"""Natural batching on a real database, in crowds of threads, of greenlets on a loop, and of both: who goes together, and what each accident
does to those who went along."""

import asyncio
import concurrent.futures
import threading
import time
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

import msgspec
import psycopg
import pytest
from django.conf import settings
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import Busy, OutcomeUnknown
from kernel.ledger.posting import batching, execution, greenlets, statements
from kernel.ledger.posting.batching import BatchQueue
from tests.kernel.posting.concurrent_calls import CROWDS

pytestmark = pytest.mark.django_db(transaction=True)

# A minimal ledger: a key is posted once, and an amount of 1,000 or more makes the whole call fail.
TOY = """
CREATE TABLE toy_account (id text PRIMARY KEY, balance numeric NOT NULL DEFAULT 0);
CREATE TABLE toy_entry (key text PRIMARY KEY, account text NOT NULL, amount numeric NOT NULL CHECK (amount < 1000), number serial);
CREATE FUNCTION toy_post(tenant uuid, postings jsonb)
RETURNS TABLE (outcome text, key text, amount numeric, balance numeric, lock_timeout text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE item record;
BEGIN
    IF postings -> 0 ? 'lock_timeout_ms' THEN
        PERFORM set_config('lock_timeout', postings -> 0 ->> 'lock_timeout_ms', true);
    END IF;
    PERFORM FROM toy_account WHERE id IN (SELECT given->>'account' FROM jsonb_array_elements(postings) given) ORDER BY id FOR UPDATE;
    FOR item IN SELECT * FROM jsonb_to_recordset(postings) AS given(account text, key text, amount numeric) LOOP
        outcome := 'replayed'; key := item.key; lock_timeout := current_setting('lock_timeout');
        INSERT INTO toy_entry (key, account, amount) VALUES (item.key, item.account, item.amount) ON CONFLICT (key) DO NOTHING;
        IF FOUND THEN
            outcome := 'posted';
            UPDATE toy_account SET balance = toy_account.balance + item.amount WHERE id = item.account;
        END IF;
        SELECT toy_account.balance INTO balance FROM toy_account WHERE id = item.account;
        SELECT toy_entry.amount INTO amount FROM toy_entry WHERE toy_entry.key = item.key;
        RETURN NEXT;
    END LOOP;
END $$;
INSERT INTO toy_account (id) SELECT 'account ' || n FROM generate_series(1, 9) n;
"""
TENANT = UUID(int=1)
FUNCTION = statements.PostingFunction("toy_post")
FIRST, SECOND, THIRD = "account 1", "account 2", "account 3"


@pytest.fixture(autouse=True)
def toy(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute(TOY)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION toy_post; DROP TABLE toy_account, toy_entry")


class ToyLedger:
    """A batch queue over the toy ledger, the calls that it made, and the threads or greenlets that post through it."""

    def __init__(self, crowd, *, max_calls=4, wait_timeout=15.0):
        self.calls = []
        self.leaders = []
        self.sent = []
        self.crowd = crowd
        self.queue = BatchQueue(call=self.call, max_calls=max_calls, wait_timeout=wait_timeout)

    def call(self, function, postings, lock_timeout_ms):
        self.leaders.append(greenlets.current_task() or threading.get_ident())
        self.calls.append([msgspec.json.decode(raw)["key"] for _, raw in postings])
        return statements.call_function(function, postings, lock_timeout_ms)

    def send(self, key, *, account=FIRST, amount="1", function=FUNCTION):
        future = self.crowd.send(lambda: self.post(key, account, amount, function))
        self.sent.append(future)
        return future

    @translate_db_errors
    def post(self, key, account, amount="1", function=FUNCTION):
        raw = msgspec.Raw(msgspec.json.encode({"account": account, "key": key, "amount": amount}))
        return self.queue.post(function, (TENANT, raw), serialization_key=account)

    def until_waiting(self, count):
        self.until(lambda: len(self.queue._queue) == count)

    def until(self, is_so):
        deadline = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < deadline, f"calls: {self.calls}, queued: {len(self.queue._queue)}"
            time.sleep(0.002)

    def is_idle(self):
        return not self.queue._queue and not self.queue._locked_keys and self.queue._calls == 0


@pytest.fixture(params=CROWDS)
def crowd(request):
    crowd = CROWDS[request.param]()
    yield crowd
    crowd.close()


def only(*names):
    """For a test of threads or of greenlets only."""
    return pytest.mark.parametrize("crowd", names, indirect=True)


@pytest.fixture
def open_ledger(crowd):
    """Opens a ledger with other limits. At the end its queue must be empty."""
    ledgers = []

    def open_ledger(**numbers):
        ledgers.append(ToyLedger(crowd, **numbers))
        return ledgers[-1]

    yield open_ledger
    for ledger in ledgers:
        assert concurrent.futures.wait(ledger.sent, timeout=10).not_done == set()
        ledger.until(ledger.is_idle)


@pytest.fixture
def ledger(open_ledger):
    return open_ledger()


@pytest.fixture
def patient_batches(monkeypatch):
    """A batch waits for a lock as long as a test needs to find it waiting."""
    monkeypatch.setattr(batching, "BATCH_LOCK_TIMEOUT_MS", 10_000)


@contextmanager
def locked(*accounts):
    """The accounts' rows, held by another session; gives that session."""
    with psycopg.connect(**session_parameters()) as other:
        other.execute("SELECT FROM toy_account WHERE id = ANY(%s) FOR UPDATE", [list(accounts)])
        yield other


def session_parameters():
    names = ("host", "port", "user", "password", "dbname")
    given = connection.get_connection_params()
    return {name: given[name] for name in names if name in given}


def book():
    """The keys in the ledger in their order, and the sum of the entries, which must be that of the balances."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, amount FROM toy_entry ORDER BY number")
        entries = cursor.fetchall()
        cursor.execute("SELECT sum(balance) FROM toy_account")
        total = cursor.fetchone()[0]
    assert total == sum((amount for _, amount in entries), Decimal(0))
    return [key for key, _ in entries]


def pause(event):
    """Wait for an event, on the loop without holding up the others."""
    if task := greenlets.current_task():
        return greenlets.await_only(task.loop.run_in_executor(None, event.wait, 10))
    return event.wait(10)


def blocked_backend():
    with connection.cursor() as cursor:
        # Another run of the tests may stand beside this one, in a database of its own.
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%toy_post%'"
        )
        row = cursor.fetchone()
    return row and row[0]


def backends():
    """Those of all other sessions in this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in cursor.fetchall()]


def test_a_posting_to_an_idle_account_is_sent_at_once_and_alone(ledger):
    assert ledger.send("a").result().outcome == "posted"
    assert ledger.send("b").result().balance == 2
    assert ledger.calls == [["a"], ["b"]]


def test_postings_that_arrive_during_a_call_are_sent_in_the_next_one(ledger):
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        others = []
        for number in range(10):
            others.append(ledger.send(f"key {number}"))
            ledger.until_waiting(number + 1)
    assert first.result().balance == 1
    assert [other.result().balance for other in others] == list(range(2, 12))
    assert ledger.calls == [["first"], [f"key {number}" for number in range(10)]]


def test_an_idle_account_does_not_wait_for_a_busy_one(ledger):
    with locked(FIRST):
        stuck = ledger.send("stuck")
        ledger.until(blocked_backend)
        assert ledger.send("free", account=SECOND).result(timeout=5).outcome == "posted"
    assert stuck.result().outcome == "posted"


def test_when_all_calls_are_in_use_postings_of_different_accounts_share_the_next_one(open_ledger):
    ledger = open_ledger(max_calls=1)
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        others = [ledger.send("second", account=SECOND), ledger.send("third", account=THIRD)]
        ledger.until_waiting(2)
    assert {first.result().outcome, *(other.result().outcome for other in others)} == {"posted"}
    assert ledger.calls[0] == ["first"]
    assert [sorted(call) for call in ledger.calls[1:]] == [["second", "third"]]


@pytest.mark.parametrize(("share", "to_spare"), [(0.9, 1), (0.1, 4)])
def test_a_process_at_work_makes_fewer_calls_at_a_time(monkeypatch, share, to_spare):
    queue = BatchQueue(call=lambda function, postings, lock_timeout_ms: postings, max_calls=4)
    then, used = queue._load_sample
    monkeypatch.setattr(batching.time, "monotonic", lambda: then + 1)
    monkeypatch.setattr(batching.time, "process_time", lambda: used + share)
    queue.post(FUNCTION, "posting", serialization_key=FIRST)
    assert queue._max_calls_now == to_spare


def test_a_stuck_call_delays_others_only_briefly_in_a_process_that_was_at_work(ledger):
    ledger.queue._is_busy = True
    with locked(FIRST):
        stuck = ledger.send("stuck")
        ledger.until(blocked_backend)
        # Nothing comes back and nobody arrives: those in line see for themselves that the process only waits by now.
        assert ledger.send("free", account=SECOND).result(timeout=5).outcome == "posted"
        assert not stuck.done()
    assert stuck.result().outcome == "posted"


def test_two_functions_never_share_a_call(open_ledger):
    ledger = open_ledger(max_calls=1)
    other = FUNCTION._replace(retryable_constraints=frozenset({"another"}))
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        second = ledger.send("second", account=SECOND)
        ledger.until_waiting(1)
        third = ledger.send("third", account=THIRD, function=other)
        ledger.until_waiting(2)
    assert [wanted.result().outcome for wanted in (first, second, third)] == ["posted"] * 3
    assert ledger.calls == [["first"], ["second"], ["third"]]


def test_the_next_batch_is_led_by_one_of_its_own_postings(ledger):
    """The batch that gathers behind a caller is led by one of those who wait, each time another."""
    sent = []
    for number in range(3):
        with locked(FIRST):
            sent.append(ledger.send(f"first {number}"))
            ledger.until(blocked_backend)
            sent += [ledger.send(f"a {number}"), ledger.send(f"b {number}")]
            ledger.until_waiting(2)
            leaders = len(ledger.leaders)
        assert {wanted.result().outcome for wanted in sent} == {"posted"}
        assert len(set(ledger.leaders[leaders - 1 :])) == 2


def test_a_posting_that_breaks_the_call_fails_alone(ledger):
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        others = [ledger.send("good 1"), ledger.send("poison", amount="1000"), ledger.send("good 2")]
        ledger.until_waiting(3)
    assert first.result().outcome == "posted"
    assert others[0].result().outcome == others[2].result().outcome == "posted"
    with pytest.raises(IntegrityError):
        others[1].result()
    assert sorted(book()) == ["first", "good 1", "good 2"]


def test_a_posting_that_the_parser_refuses_fails_alone(ledger):
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        others = [ledger.send("good"), ledger.send("nul \x00")]
        ledger.until_waiting(2)
    assert [first.result().outcome, others[0].result().outcome] == ["posted", "posted"]
    with pytest.raises(DataError):
        others[1].result()


def test_a_lock_held_elsewhere_delays_only_those_who_need_it(open_ledger):
    ledger = open_ledger(max_calls=1)
    with locked(SECOND), locked(FIRST) as holder:
        first = ledger.send("first")
        ledger.until(blocked_backend)
        stuck, free = ledger.send("stuck", account=SECOND), ledger.send("free", account=THIRD)
        ledger.until_waiting(2)
        holder.rollback()
        # Together they give up after a quarter of a second; then each goes his own way.
        assert free.result(timeout=4).outcome == "posted"
        assert free.result().lock_timeout == "5s"
        assert first.done()
        assert not stuck.done()
    assert stuck.result().outcome == "posted"
    assert sorted(book()) == ["first", "free", "stuck"]


def test_a_batch_waits_shorter_for_locks_and_leaves_the_session_as_it_was(ledger):
    with locked(FIRST):
        sent = [ledger.send("first")]
        ledger.until(blocked_backend)
        sent += [ledger.send("a"), ledger.send("b")]
        ledger.until_waiting(2)
    assert [wanted.result().lock_timeout for wanted in sent] == ["5s", "250ms", "250ms"]
    raw = [(TENANT, msgspec.Raw(b'{"account": "account 1", "key": "c", "amount": "1"}'))]
    assert statements.call_function(FUNCTION, raw, 250)[0].lock_timeout == "250ms"
    assert statements.call_function(FUNCTION, raw)[0].lock_timeout == "5s"


def test_a_single_posting_that_waits_too_long_for_a_lock_gets_busy(ledger, monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-c lock_timeout=50")
    with locked(FIRST), pytest.raises(Busy):
        ledger.send("a").result()
    assert book() == []


def test_when_the_backend_is_killed_every_caller_gets_outcome_unknown(ledger, patient_batches):
    with locked(SECOND):
        ledger.queue.max_calls = 1
        with locked(FIRST):
            first = ledger.send("first")
            ledger.until(blocked_backend)
            others = [ledger.send("second", account=SECOND), ledger.send("third", account=THIRD)]
            ledger.until_waiting(2)
        assert first.result().outcome == "posted"
        ledger.until(blocked_backend)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [blocked_backend()])
        for other in others:
            with pytest.raises(OutcomeUnknown):
                other.result()
    # The same calls again find the truth: here, that nothing had moved.
    assert [ledger.send("second", account=SECOND).result().outcome, ledger.send("third", account=THIRD).result().outcome] == ["posted"] * 2
    assert sorted(book()) == ["first", "second", "third"]


def test_when_the_reply_is_lost_after_the_commit_a_repeat_returns_the_row(ledger):
    calls = ledger.queue.call

    def losing(function, postings, lock_timeout_ms):
        rows = calls(function, postings, lock_timeout_ms)
        if len(postings) > 1:
            raise OperationalError("the connection was lost")
        return rows

    ledger.queue.call = losing
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        others = [ledger.send("a"), ledger.send("b")]
        ledger.until_waiting(2)
    assert first.result().outcome == "posted"
    for other in others:
        with pytest.raises(OutcomeUnknown):
            other.result()
    assert [ledger.send("a").result().outcome, ledger.send("b").result().outcome] == ["replayed", "replayed"]
    assert sorted(book()) == ["a", "b", "first"]


class ThreadEnds(BaseException):
    pass


def test_followers_of_a_leader_that_ends_do_not_wait_for_it(ledger):
    calls = ledger.queue.call

    def dying(function, postings, lock_timeout_ms):
        if len(postings) > 1:
            raise ThreadEnds
        return calls(function, postings, lock_timeout_ms)

    ledger.queue.call = dying
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        others = [ledger.send(f"key {number}") for number in range(3)]
        ledger.until_waiting(3)
    assert first.result().outcome == "posted"
    fates = Counter(type(other.exception()) for other in others)
    assert fates == {ThreadEnds: 1, OutcomeUnknown: 2}
    assert ledger.send("after").result().outcome == "posted"


@only("threads")
def test_a_thread_that_is_ended_while_queued_leaves_the_queue(ledger, monkeypatch):
    class EndedEvent:
        def wait(self, timeout):
            ledger.until_waiting(1)
            raise ThreadEnds

        def set(self):
            raise AssertionError("nobody waits for this event any more")

    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        doomed = batching.PendingPosting(function=FUNCTION, serialization_key=FIRST, posting=None)
        doomed.event = EndedEvent()
        assert not ledger.queue._try_start(doomed)
        with pytest.raises(ThreadEnds):
            ledger.queue._wait(doomed)
    assert first.result().outcome == "posted"


@only("threads")
def test_a_new_leader_whose_thread_ends_completes_its_batch(ledger):
    """The posting becomes the leader at the moment in which its thread is ended: the followers are woken, and the account is free again."""
    doomed = batching.PendingPosting(function=FUNCTION, serialization_key=FIRST, posting=None)
    follower = batching.PendingPosting(function=FUNCTION, serialization_key=FIRST, posting=None)

    class HandedOver:
        def wait(self, timeout):
            with ledger.queue._lock:
                ledger.queue._queue.remove(doomed)
                ledger.queue._start([doomed, follower])
            raise ThreadEnds

    doomed.event = HandedOver()
    ledger.queue._queue.append(doomed)
    with pytest.raises(ThreadEnds):
        ledger.queue._wait(doomed)
    assert follower.event.wait(0)
    assert ledger.is_idle()


@only("mixed, a thread first", "mixed, a greenlet first")
def test_a_leader_in_a_thread_wakes_followers_on_the_loop_and_the_reverse(ledger):
    with locked(FIRST):
        ledger.send("first")
        ledger.until(blocked_backend)
        ledger.send("leads")
        ledger.until_waiting(1)
        ledger.send("follows")
        ledger.until_waiting(2)
    assert [sent.result().balance for sent in ledger.sent] == [1, 2, 3]
    assert ledger.calls == [["first"], ["leads", "follows"]]
    assert Counter(isinstance(leader, greenlets.GreenletTask) for leader in ledger.leaders) == {True: 1, False: 1}


@pytest.fixture
def busy(monkeypatch):
    """Every process is at work, however little it does, and may make as many calls as another."""
    monkeypatch.setattr(batching, "BUSY_SHARE", -1)
    monkeypatch.setattr(batching, "MAX_CALLS_WHEN_BUSY", 4)


def post_in_one_turn(ledger, *postings):
    """The results of postings that all begin in one turn of the loop of a busy process: rows, or errors such as Busy."""
    ledger.queue._is_busy = True

    async def together():
        calls = [lambda posted=posted: ledger.post(*posted) for posted in postings]
        return await asyncio.gather(*(greenlets.greenlet_spawn(call) for call in calls), return_exceptions=True)

    return ledger.crowd.do(together()).result(timeout=10)


@only("greenlets")
@pytest.mark.parametrize("accounts", [1, 3])
def test_on_a_loop_postings_that_have_arrived_join_the_next_call(open_ledger, busy, accounts):
    ledger = open_ledger(max_calls=1)
    rows = post_in_one_turn(ledger, *((f"key {number}", f"account {number % accounts + 1}") for number in range(9)))
    assert ledger.calls == [[f"key {number}" for number in range(9)]]
    assert [row.balance for row in rows] == [number // accounts + 1 for number in range(9)]


@only("greenlets")
def test_late_joiners_have_the_same_function_and_a_free_account(open_ledger, busy):
    ledger = open_ledger(max_calls=2)
    other = FUNCTION._replace(retryable_constraints=frozenset({"another"}))
    with locked(THIRD):
        stuck = ledger.send("stuck", account=THIRD)
        ledger.until(blocked_backend)
        rows = post_in_one_turn(ledger, ("a", FIRST), ("b", SECOND, "1", other), ("c", SECOND), ("d", FIRST))
        waits = ledger.send("waits", account=THIRD)
        ledger.until_waiting(1)
        rows += post_in_one_turn(ledger, ("e", FIRST), ("f", SECOND))
        assert not waits.done()
    assert {row.outcome for row in (*rows, stuck.result(), waits.result())} == {"posted"}
    assert ledger.calls == [["stuck"], ["a", "c", "d"], ["b"], ["e", "f"], ["waits"]]


@only("greenlets")
def test_a_call_with_late_joiners_is_no_larger_than_allowed(ledger, busy, monkeypatch):
    monkeypatch.setattr(batching, "MAX_BATCH_POSTINGS", 3)
    post_in_one_turn(ledger, *((f"key {number}", FIRST) for number in range(8)))
    assert ledger.calls == [["key 0", "key 1", "key 2"], ["key 3", "key 4", "key 5"], ["key 6", "key 7"]]


@only("greenlets")
def test_on_an_idle_loop_no_posting_waits_for_others(open_ledger):
    ledger = open_ledger(max_calls=4)
    both = [
        greenlets.greenlet_spawn(lambda key=key, account=account: ledger.post(key, account))
        for key, account in (("a", FIRST), ("b", SECOND))
    ]

    async def together():
        return await asyncio.gather(*both)

    assert [row.outcome for row in ledger.crowd.do(together()).result(timeout=10)] == ["posted", "posted"]
    assert sorted(ledger.calls) == [["a"], ["b"]]


@only("greenlets")
def test_a_greenlet_that_is_cancelled_before_its_call_makes_none_and_the_next_leads(ledger, busy):
    ledger.queue._is_busy = True

    async def cancel():
        doomed, other = (asyncio.create_task(greenlets.greenlet_spawn(ledger.post, key, FIRST)) for key in ("doomed", "other"))
        await asyncio.sleep(0)
        doomed.cancel()
        return await asyncio.gather(doomed, other, return_exceptions=True)

    doomed, other = ledger.crowd.do(cancel()).result(timeout=10)
    assert isinstance(doomed, asyncio.CancelledError)
    assert other.outcome == "posted"
    assert ledger.calls == [["other"]]


@only("greenlets")
def test_a_greenlet_that_is_cancelled_while_queued_leaves_the_queue(ledger):
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        doomed = ledger.send("doomed")
        ledger.until_waiting(1)
        other = ledger.send("other")
        ledger.until_waiting(2)
        doomed.cancel()
        ledger.until_waiting(1)
    assert [first.result().balance, other.result().balance] == [1, 2]
    assert book() == ["first", "other"]


@only("greenlets")
def test_a_leading_greenlet_that_is_cancelled_wakes_its_followers_and_keeps_its_connection_usable(ledger, crowd, patient_batches):
    ledger.queue.max_calls = 1
    with locked(SECOND):
        with locked(FIRST):
            first = ledger.send("first")
            ledger.until(blocked_backend)
            doomed = ledger.send("doomed", account=SECOND)
            ledger.until_waiting(1)
            follower = ledger.send("follower", account=THIRD)
            ledger.until_waiting(2)
        assert first.result().outcome == "posted"
        ledger.until(blocked_backend)
        doomed.cancel()
        with pytest.raises(OutcomeUnknown):
            follower.result()
    ledger.until(ledger.is_idle)
    assert ledger.send("follower", account=THIRD).result().outcome == "posted"
    assert ledger.send("doomed", account=SECOND).result().outcome == "posted"
    assert book() == ["first", "follower", "doomed"]
    size, at_rest = crowd.connections()
    assert size == at_rest


@only("greenlets")
def test_greenlets_that_are_cancelled_return_their_connections_to_the_pool(ledger, crowd):
    for number in range(2 * settings.LEDGER_BATCHING_CALLS + 2):
        with locked(FIRST):
            doomed = ledger.send(f"doomed {number}")
            ledger.until(blocked_backend)
            doomed.cancel()
            ledger.until(ledger.is_idle)
    assert ledger.send("after").result().balance == 1
    size, at_rest = crowd.connections()
    assert size == at_rest


@only("greenlets")
def test_a_greenlet_that_is_cancelled_after_its_batch_was_sent_is_posted(ledger, patient_batches):
    ledger.queue.max_calls = 1
    with locked(SECOND):
        with locked(FIRST):
            first = ledger.send("first")
            ledger.until(blocked_backend)
            leader = ledger.send("leader", account=SECOND)
            ledger.until_waiting(1)
            doomed = ledger.send("doomed", account=THIRD)
            ledger.until_waiting(2)
        assert first.result().outcome == "posted"
        ledger.until(blocked_backend)
        doomed.cancel()
    assert leader.result().outcome == "posted"
    assert book() == ["first", "leader", "doomed"]


@only("greenlets")
def test_after_its_idle_backends_were_killed_the_loop_posts_over_new_ones_without_an_error(ledger, crowd):
    others = backends()

    def of_the_loop():
        return [pid for pid in backends() if pid not in others]

    assert ledger.send("before").result().outcome == "posted"
    # Those of the test before may still be going, and those of this one coming.
    ledger.until(lambda: {*crowd.connections()} == {len(of_the_loop())})
    killed = of_the_loop()
    with connection.cursor() as cursor:
        cursor.execute("SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM unnest(%s) AS pid", [killed])
        assert cursor.fetchone() == (True,)
    assert ledger.send("after").result().outcome == "posted"
    assert book() == ["before", "after"]


def test_a_posting_that_is_queued_too_long_gets_busy_and_nothing_moved(open_ledger):
    ledger = open_ledger(wait_timeout=0.05)
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        with pytest.raises(Busy):
            ledger.send("impatient").result()
    assert first.result().outcome == "posted"
    assert book() == ["first"]
    assert ledger.is_idle()


def test_a_follower_without_an_outcome_gets_outcome_unknown(open_ledger):
    ledger = open_ledger(max_calls=1, wait_timeout=0.3)
    reached, go_on = threading.Event(), threading.Event()
    calls = ledger.queue.call

    def slow(function, postings, lock_timeout_ms):
        if len(postings) > 1:
            reached.set()
            assert pause(go_on)
        return calls(function, postings, lock_timeout_ms)

    ledger.queue.call = slow
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        others = [ledger.send("a"), ledger.send("b")]
        ledger.until_waiting(2)
    assert first.result().outcome == "posted"
    assert reached.wait(10)
    ledger.until(lambda: any(other.done() for other in others))
    go_on.set()
    assert sorted(type(other.exception()).__name__ for other in others) == ["NoneType", "OutcomeUnknown"]
    assert sorted(book()) == ["a", "b", "first"]
    assert ledger.is_idle()


@pytest.mark.parametrize(("pool", "closed"), [({"max_size": 8}, 1), (None, 0)])
def test_a_queued_posting_holds_no_pooled_connection(monkeypatch, pool, closed):
    """Otherwise waiting threads would hold the whole pool and the leader would find none. A connection of the thread's own stays open."""

    class Held:
        settings_dict = {"OPTIONS": {"pool": pool}}
        count = 0

        def close(self):
            self.count += 1

    held = Held()
    monkeypatch.setattr(execution, "connections", {"default": held})
    statements.release_connection(FUNCTION)
    assert held.count == closed


def test_a_caller_releases_its_connection_before_it_waits(ledger):
    rested = []
    ledger.queue.on_wait = lambda function: rested.append(function.name)
    with locked(FIRST):
        first = ledger.send("first")
        ledger.until(blocked_backend)
        second = ledger.send("second")
        ledger.until_waiting(1)
        ledger.until(lambda: rested)
    assert {first.result().outcome, second.result().outcome} == {"posted"}
    assert rested == ["toy_post"]


def test_one_key_forty_times_at_once_is_posted_once(ledger):
    with locked(FIRST):
        sent = [ledger.send("same")]
        ledger.until(blocked_backend)
        sent += [ledger.send("same") for _ in range(39)]
        ledger.until_waiting(39)
    outcomes = Counter(wanted.result().outcome for wanted in sent)
    assert outcomes == {"posted": 1, "replayed": 39}
    assert [len(call) for call in ledger.calls] == [1, 39]
    assert book() == ["same"]


def test_inside_a_transaction_nothing_is_batched(monkeypatch):
    def refuse():
        raise AssertionError("batched inside a transaction")

    monkeypatch.setattr(posting, "_batch_queue", refuse)
    with transaction.atomic():
        row = posting.post_one("toy_post", {"account": FIRST, "key": "a", "amount": "1"}, serialization_key=FIRST, tenant_id=TENANT)
        assert row.outcome == "posted"
        transaction.set_rollback(True)
    assert book() == []


def test_a_setting_switches_batching_off(monkeypatch, settings):
    settings.LEDGER_BATCHING = False
    monkeypatch.setattr(posting, "_batch_queue", lambda: 1 / 0)
    assert (
        posting.post_one("toy_post", {"account": FIRST, "key": "a", "amount": "1"}, serialization_key=FIRST, tenant_id=TENANT).outcome
        == "posted"
    )


def test_a_posting_that_can_not_be_encoded_is_never_queued():
    with pytest.raises(TypeError):
        posting.post_one("toy_post", {"account": FIRST, "key": object()}, serialization_key=FIRST, tenant_id=TENANT)
    assert posting._batch_queue()._queue == []


def test_concurrent_postings_to_many_accounts_are_recorded_exactly_once(open_ledger):
    ledger = open_ledger(max_calls=2)
    keys = [f"key {number}" for number in range(400)]
    sent = [ledger.send(key, account=f"account {number % 9 + 1}", amount=str(number % 7)) for number, key in enumerate(keys)]
    sent += [ledger.send(key, account=f"account {number % 9 + 1}", amount=str(number % 7)) for number, key in enumerate(keys)]
    assert Counter(wanted.result().outcome for wanted in sent) == {"posted": 400, "replayed": 400}
    assert sorted(book()) == sorted(keys)
    assert max(map(len, ledger.calls)) > 1
    assert ledger.is_idle()
