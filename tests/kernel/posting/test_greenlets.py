"""Greenlets: calls that share the thread of an event loop, wait without holding up the others, and read the database elsewhere."""

import asyncio
import threading

import psycopg
import pytest
import structlog
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, connections, transaction

from kernel.ledger import queries
from kernel.ledger.posting import greenlets
from kernel.tenants import services as tenants
from kernel.tenants.models import Tenant


def running(*calls):
    """What the calls of one loop return, begun in this order."""

    async def all_of_them():
        return await asyncio.gather(*(greenlets.greenlet_spawn(call) for call in calls))

    return asyncio.run(all_of_them())


def turn():
    """Let the others go on."""
    greenlets.await_only(asyncio.sleep(0))


class ExpectedError(Exception):
    pass


# Running


def test_a_greenlet_returns_what_its_function_returns():
    assert asyncio.run(greenlets.greenlet_spawn(divmod, 7, 2)) == (3, 1)


def test_a_greenlet_raises_what_its_function_raises():
    def fails():
        turn()
        raise ExpectedError

    with pytest.raises(ExpectedError):
        running(fails)


def test_await_only_returns_or_raises_in_the_greenlet():
    async def answers():
        await asyncio.sleep(0)
        return "answer"

    async def fails():
        await asyncio.sleep(0)
        raise ExpectedError

    def call():
        answer = greenlets.await_only(answers())
        with pytest.raises(ExpectedError):
            greenlets.await_only(fails())
        return answer

    assert running(call) == ["answer"]


def test_while_one_greenlet_waits_the_others_run_in_order():
    steps = []

    def call(name):
        for number in range(3):
            steps.append((name, number))
            turn()

    running(lambda: call("first"), lambda: call("second"))
    assert steps == [("first", 0), ("second", 0), ("first", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_a_greenlet_may_wait_for_another_that_waits_itself():
    def inner():
        mine = greenlets.current_task()
        turn()
        assert greenlets.current_task() is mine
        return mine

    def outer():
        mine = greenlets.current_task()
        assert greenlets.await_only(greenlets.greenlet_spawn(inner)) is not mine
        assert greenlets.current_task() is mine
        turn()
        return "outer"

    assert running(outer, outer) == ["outer", "outer"]


def test_current_task_is_the_greenlet_or_none_in_a_thread():
    assert greenlets.current_task() is None
    assert running(lambda: type(greenlets.current_task())) == [greenlets.GreenletTask]


def cancelled_in(call):
    """What became of a task that was cancelled as soon as its call waited."""

    async def cancel():
        task = asyncio.create_task(greenlets.greenlet_spawn(call))
        await asyncio.sleep(0)
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        return outcome

    return asyncio.run(cancel())


def test_cancelling_the_task_is_an_error_within_the_greenlet_where_it_waits():
    seen = []

    def call():
        try:
            greenlets.await_only(asyncio.Event().wait())
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    assert isinstance(cancelled_in(call), asyncio.CancelledError)
    assert seen == ["cancelled"]


def test_a_cancelled_greenlet_may_still_wait_for_its_own_end():
    seen = []

    def call():
        try:
            greenlets.await_only(asyncio.Event().wait())
        finally:
            turn()
            seen.append("put away")

    assert isinstance(cancelled_in(call), asyncio.CancelledError)
    assert seen == ["put away"]


def test_the_log_context_of_one_greenlet_is_not_seen_by_another():
    def binds():
        structlog.contextvars.bind_contextvars(request_id="mine")
        turn()
        return structlog.contextvars.get_contextvars()

    def looks():
        turn()
        return structlog.contextvars.get_contextvars()

    assert running(binds, looks, looks) == [{"request_id": "mine"}, {}, {}]
    assert structlog.contextvars.get_contextvars() == {}


def test_all_greenlets_of_a_loop_find_the_same_wrapper_of_a_connection():
    def finds():
        turn()
        return connections["default"]

    first, second = running(finds, finds)
    assert first is second
    assert first is not connections["default"]


# Reading


def test_a_function_without_queries_runs_on_the_loop():
    assert greenlets.run_or_retry_in_thread(threading.get_ident) == threading.get_ident()
    assert running(lambda: greenlets.run_or_retry_in_thread(threading.get_ident)) == [threading.get_ident()]


def test_errors_of_what_is_read_pass_through():
    def fails():
        raise ExpectedError

    with pytest.raises(ExpectedError):
        running(lambda: greenlets.run_or_retry_in_thread(fails))


@pytest.fixture
def no_thread_keeps_a_connection(monkeypatch, transactional_db):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)


@pytest.mark.usefixtures("no_thread_keeps_a_connection")
def test_a_function_that_queries_is_restarted_in_a_thread_with_its_arguments_and_context():
    tenants.create_tenant(actor="command:test", name="Acme", slug="acme")
    begun = []

    def reads(slug):
        begun.append((threading.get_ident(), structlog.contextvars.get_contextvars()["request_id"]))
        return Tenant.objects.get(slug=slug).name

    def call():
        structlog.contextvars.bind_contextvars(request_id="mine")
        return greenlets.run_or_retry_in_thread(reads, "acme")

    assert running(call) == ["Acme"]
    [(here, _), (there, _)] = begun
    assert here == threading.get_ident() != there
    assert [request_id for _, request_id in begun] == ["mine", "mine"]


@pytest.mark.usefixtures("no_thread_keeps_a_connection")
def test_while_one_greenlet_reads_in_a_thread_the_others_run():
    steps, go_on = [], threading.Event()

    def reads():
        Tenant.objects.count()
        assert go_on.wait(10)
        steps.append("read")

    def others():
        steps.append("other")
        go_on.set()

    running(lambda: greenlets.run_or_retry_in_thread(reads), others)
    assert steps == ["other", "read"]


@pytest.mark.usefixtures("no_thread_keeps_a_connection")
def test_errors_in_the_thread_pass_through():
    def reads():
        Tenant.objects.get(slug="nobody")

    with pytest.raises(Tenant.DoesNotExist):
        running(lambda: greenlets.run_or_retry_in_thread(reads))


@pytest.mark.django_db(transaction=True)
def test_a_thread_whose_connection_the_server_has_closed_reads_over_a_new_one():
    """As after a restart of the database: the look for a key costs no caller an error."""

    def backend():
        Tenant.objects.count()
        return connection.connection.info.backend_pid

    def call():
        first = greenlets.run_or_retry_in_thread(backend)
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
        try:
            return first, greenlets.run_or_retry_in_thread(backend)
        finally:
            greenlets.run_or_retry_in_thread(lambda: (Tenant.objects.count(), connection.close()))

    [(first, second)] = running(call)
    assert first != second


@pytest.fixture
def pooled(transactional_db):
    """Threads that begin now borrow their connections from a pool."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
        patch.setitem(connection.settings_dict["OPTIONS"], "pool", {"min_size": 1, "max_size": 1, "timeout": 5})
        yield connection.pool
        connection.close_pool()


def test_a_thread_returns_its_pooled_connection(pooled):
    def reads():
        return Tenant.objects.count()

    def fails():
        Tenant.objects.get(slug="nobody")

    assert running(*[lambda: greenlets.run_or_retry_in_thread(reads)] * 3) == [0, 0, 0]
    with pytest.raises(Tenant.DoesNotExist):
        running(lambda: greenlets.run_or_retry_in_thread(fails))
    assert pooled.get_stats()["pool_available"] == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "asks",
    [
        lambda: tenants.create_tenant(actor="command:test", name="Acme", slug="acme"),
        lambda: Tenant.objects.create(name="Acme", slug="acme"),
        Tenant.objects.count,
        lambda: queries.fetch_rows("INSERT INTO tenants_tenant SELECT"),
        lambda: transaction.atomic().__enter__(),
    ],
    ids=["a service", "a row", "a query", "a statement", "a transaction"],
)
def test_on_the_loop_a_query_is_refused_before_anything_was_sent(asks):
    with pytest.raises(SynchronousOnlyOperation):
        running(asks)
    assert not Tenant.objects.exists()


# Events


def test_waiting_for_an_event_that_is_set_returns_at_once():
    def call():
        event = greenlets.LoopWakeEvent(asyncio.get_running_loop())
        event.set()
        return event.wait(timeout=0)

    assert running(call) == [True]


def at_an_event(opens):
    """Whether it opened for an call that waited at it, and what happened in which order. `opens`: what another does with the event."""
    events, steps = [], []

    def waits():
        event = greenlets.LoopWakeEvent(asyncio.get_running_loop())
        events.append(event)
        is_open = event.wait(timeout=10)
        steps.append("through")
        return is_open

    def other():
        opens(events[0])
        steps.append("opened")

    is_open, _ = running(waits, other)
    return is_open, steps


def test_an_event_is_set_by_another_greenlet():
    assert at_an_event(greenlets.LoopWakeEvent.set) == (True, ["opened", "through"])


def test_an_event_is_set_by_a_thread():
    def in_a_thread(event):
        thread = threading.Thread(target=event.set)
        thread.start()
        thread.join()

    assert at_an_event(in_a_thread) == (True, ["opened", "through"])


def test_waiting_for_an_event_too_long_returns_false_and_may_be_repeated():
    def call():
        event = greenlets.LoopWakeEvent(asyncio.get_running_loop())
        results = [event.wait(timeout=0.01), event.wait(timeout=0.01)]
        event.set()
        return [*results, event.wait(timeout=0)]

    assert running(call) == [[False, False, True]]


def test_an_event_that_is_set_after_a_wait_timed_out_ends_the_next_wait():
    def call():
        event = greenlets.LoopWakeEvent(asyncio.get_running_loop())
        results = [event.wait(timeout=0.01)]
        greenlets.await_only(asyncio.get_running_loop().run_in_executor(None, event.set))
        return [*results, event.wait(timeout=10)]

    assert running(call) == [[False, True]]


def test_an_event_may_be_set_after_its_waiter_was_cancelled(caplog):
    events = []

    def waits():
        events.append(greenlets.LoopWakeEvent(asyncio.get_running_loop()))
        events[0].wait(timeout=10)

    async def cancel():
        task = asyncio.create_task(greenlets.greenlet_spawn(waits))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, events[0].set)
        return task.cancelled()

    assert asyncio.run(cancel())
    # What fails on the loop itself is heard nowhere else.
    assert [record.message for record in caplog.records] == []


def test_setting_an_event_of_a_closed_loop_does_nothing():
    """A leader in a thread sets the events of its whole batch; a loop that has closed must not cost the others their rows."""
    [event] = running(lambda: greenlets.LoopWakeEvent(asyncio.get_running_loop()))
    event.set()
    assert event.is_set
