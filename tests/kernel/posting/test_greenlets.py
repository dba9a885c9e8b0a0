"""Errands: calls that share the thread of an event loop, wait without holding up the others, and read the database elsewhere."""

import asyncio
import threading

import pytest
import structlog
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, connections, transaction

from kernel.ledger import posting
from kernel.ledger.posting import greenlets
from kernel.tenants import services as tenants
from kernel.tenants.models import Tenant


def running(*errands):
    """What the errands of one loop return, begun in this order."""

    async def all_of_them():
        return await asyncio.gather(*(greenlets.run(errand) for errand in errands))

    return asyncio.run(all_of_them())


def turn():
    """Let the others go on."""
    greenlets.wait_for(asyncio.sleep(0))


class Told(Exception):
    pass


# Running


def test_an_errand_returns_what_its_function_returns():
    assert asyncio.run(greenlets.run(divmod, 7, 2)) == (3, 1)


def test_an_errand_raises_what_its_function_raises():
    def fails():
        turn()
        raise Told

    with pytest.raises(Told):
        running(fails)


def test_what_is_waited_for_answers_or_raises_where_it_is_waited_for():
    async def answers():
        await asyncio.sleep(0)
        return "answer"

    async def fails():
        await asyncio.sleep(0)
        raise Told

    def errand():
        answer = greenlets.wait_for(answers())
        with pytest.raises(Told):
            greenlets.wait_for(fails())
        return answer

    assert running(errand) == ["answer"]


def test_while_one_waits_the_others_go_on_in_their_order():
    steps = []

    def errand(name):
        for number in range(3):
            steps.append((name, number))
            turn()

    running(lambda: errand("first"), lambda: errand("second"))
    assert steps == [("first", 0), ("second", 0), ("first", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_an_errand_may_wait_for_another_that_waits_itself():
    def inner():
        mine = greenlets.errand()
        turn()
        assert greenlets.errand() is mine
        return mine

    def outer():
        mine = greenlets.errand()
        assert greenlets.wait_for(greenlets.run(inner)) is not mine
        assert greenlets.errand() is mine
        turn()
        return "outer"

    assert running(outer, outer) == ["outer", "outer"]


def test_only_an_errand_is_one():
    assert greenlets.errand() is None
    assert running(lambda: type(greenlets.errand())) == [greenlets.Errand]


def cancelled_in(errand):
    """What became of a task that was cancelled as soon as its errand waited."""

    async def cancel():
        task = asyncio.create_task(greenlets.run(errand))
        await asyncio.sleep(0)
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        return outcome

    return asyncio.run(cancel())


def test_cancelling_the_task_is_an_error_within_the_errand_where_it_waits():
    seen = []

    def errand():
        try:
            greenlets.wait_for(asyncio.Event().wait())
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    assert isinstance(cancelled_in(errand), asyncio.CancelledError)
    assert seen == ["cancelled"]


def test_a_cancelled_errand_may_still_wait_for_its_own_end():
    seen = []

    def errand():
        try:
            greenlets.wait_for(asyncio.Event().wait())
        finally:
            turn()
            seen.append("put away")

    assert isinstance(cancelled_in(errand), asyncio.CancelledError)
    assert seen == ["put away"]


def test_what_one_errand_binds_to_the_log_is_nothing_to_another():
    def binds():
        structlog.contextvars.bind_contextvars(request_id="mine")
        turn()
        return structlog.contextvars.get_contextvars()

    def looks():
        turn()
        return structlog.contextvars.get_contextvars()

    assert running(binds, looks, looks) == [{"request_id": "mine"}, {}, {}]
    assert structlog.contextvars.get_contextvars() == {}


def test_all_errands_of_a_loop_find_the_same_wrapper_of_a_connection():
    def finds():
        turn()
        return connections["default"]

    first, second = running(finds, finds)
    assert first is second
    assert first is not connections["default"]


# Reading


def test_what_needs_no_database_is_read_where_it_is_asked():
    assert greenlets.reading(threading.get_ident) == threading.get_ident()
    assert running(lambda: greenlets.reading(threading.get_ident)) == [threading.get_ident()]


def test_errors_of_what_is_read_pass_through():
    def fails():
        raise Told

    with pytest.raises(Told):
        running(lambda: greenlets.reading(fails))


@pytest.fixture
def no_thread_keeps_a_connection(monkeypatch, transactional_db):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)


@pytest.mark.usefixtures("no_thread_keeps_a_connection")
def test_who_asks_the_database_begins_again_in_a_thread_with_his_arguments_and_his_context():
    tenants.create_tenant(actor="command:test", name="Acme", slug="acme")
    begun = []

    def reads(slug):
        begun.append((threading.get_ident(), structlog.contextvars.get_contextvars()["request_id"]))
        return Tenant.objects.get(slug=slug).name

    def errand():
        structlog.contextvars.bind_contextvars(request_id="mine")
        return greenlets.reading(reads, "acme")

    assert running(errand) == ["Acme"]
    [(here, _), (there, _)] = begun
    assert here == threading.get_ident() != there
    assert [request_id for _, request_id in begun] == ["mine", "mine"]


@pytest.mark.usefixtures("no_thread_keeps_a_connection")
def test_while_one_reads_in_a_thread_the_others_go_on():
    steps, go_on = [], threading.Event()

    def reads():
        Tenant.objects.count()
        assert go_on.wait(10)
        steps.append("read")

    def others():
        steps.append("other")
        go_on.set()

    running(lambda: greenlets.reading(reads), others)
    assert steps == ["other", "read"]


@pytest.mark.usefixtures("no_thread_keeps_a_connection")
def test_errors_in_the_thread_pass_through():
    def reads():
        Tenant.objects.get(slug="nobody")

    with pytest.raises(Tenant.DoesNotExist):
        running(lambda: greenlets.reading(reads))


@pytest.fixture
def pooled(transactional_db):
    """Threads that begin now borrow their connections from a pool."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
        patch.setitem(connection.settings_dict["OPTIONS"], "pool", {"min_size": 1, "max_size": 1, "timeout": 5})
        yield connection.pool
        connection.close_pool()


def test_the_thread_gives_its_pooled_connection_back(pooled):
    def reads():
        return Tenant.objects.count()

    def fails():
        Tenant.objects.get(slug="nobody")

    assert running(*[lambda: greenlets.reading(reads)] * 3) == [0, 0, 0]
    with pytest.raises(Tenant.DoesNotExist):
        running(lambda: greenlets.reading(fails))
    assert pooled.get_stats()["pool_available"] == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "asks",
    [
        lambda: tenants.create_tenant(actor="command:test", name="Acme", slug="acme"),
        lambda: Tenant.objects.create(name="Acme", slug="acme"),
        Tenant.objects.count,
        lambda: posting.run("INSERT INTO tenants_tenant SELECT"),
        lambda: transaction.atomic().__enter__(),
    ],
    ids=["a service", "a row", "a query", "a statement", "a transaction"],
)
def test_on_the_loop_the_database_is_refused_before_anything_was_done(asks):
    with pytest.raises(SynchronousOnlyOperation):
        running(asks)
    assert not Tenant.objects.exists()


# Gates


def test_a_gate_that_was_opened_before_holds_nobody_up():
    def errand():
        gate = greenlets.Gate(asyncio.get_running_loop())
        gate.release()
        return gate.acquire(timeout=0)

    assert running(errand) == [True]


def at_a_gate(opens):
    """Whether it opened for an errand that waited at it, and what happened in which order. `opens`: what another does with the gate."""
    gates, steps = [], []

    def waits():
        gate = greenlets.Gate(asyncio.get_running_loop())
        gates.append(gate)
        is_open = gate.acquire(timeout=10)
        steps.append("through")
        return is_open

    def other():
        opens(gates[0])
        steps.append("opened")

    is_open, _ = running(waits, other)
    return is_open, steps


def test_a_gate_is_opened_by_another_errand():
    assert at_a_gate(greenlets.Gate.release) == (True, ["opened", "through"])


def test_a_gate_is_opened_by_a_thread():
    def in_a_thread(gate):
        thread = threading.Thread(target=gate.release)
        thread.start()
        thread.join()

    assert at_a_gate(in_a_thread) == (True, ["opened", "through"])


def test_who_waits_too_long_at_a_gate_is_told_and_may_come_again():
    def errand():
        gate = greenlets.Gate(asyncio.get_running_loop())
        told = [gate.acquire(timeout=0.01), gate.acquire(timeout=0.01)]
        gate.release()
        return [*told, gate.acquire(timeout=0)]

    assert running(errand) == [[False, False, True]]


def test_a_gate_that_was_opened_after_somebody_waited_in_vain_is_open_to_him():
    def errand():
        gate = greenlets.Gate(asyncio.get_running_loop())
        told = [gate.acquire(timeout=0.01)]
        greenlets.wait_for(asyncio.get_running_loop().run_in_executor(None, gate.release))
        return [*told, gate.acquire(timeout=10)]

    assert running(errand) == [[False, True]]


def test_a_gate_may_be_opened_after_he_who_waited_was_cancelled(caplog):
    gates = []

    def waits():
        gates.append(greenlets.Gate(asyncio.get_running_loop()))
        gates[0].acquire(timeout=10)

    async def cancel():
        task = asyncio.create_task(greenlets.run(waits))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, gates[0].release)
        return task.cancelled()

    assert asyncio.run(cancel())
    # What fails on the loop itself is heard nowhere else.
    assert [record.message for record in caplog.records] == []


def test_opening_a_gate_on_a_loop_that_is_over_harms_nobody():
    """Whoever leads in a thread opens the gates of all who went along; a server that ends must not cost the others their answers."""
    [gate] = running(lambda: greenlets.Gate(asyncio.get_running_loop()))
    gate.release()
    assert gate.is_open
