"""Calls of posting functions with a tenant: each caller gets the row of his own posting, also where several tenants share a statement."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.ledger import posting
from kernel.ledger.posting import statements

pytestmark = pytest.mark.django_db(transaction=True)

TENANTS = [UUID(int=number) for number in (3, 1, 2, 0xFFFFFFFF000000000000000000000000)]
# It counts the postings of each tenant, so a row shows which call of the function it comes from and its place there.
LEDGER = """
CREATE TABLE tenanted_account (tenant_id uuid PRIMARY KEY, posted integer NOT NULL DEFAULT 0);
CREATE FUNCTION tenanted_post(tenant uuid, postings jsonb)
RETURNS TABLE (outcome text, key text, of_tenant uuid, number integer, lock_timeout text)
LANGUAGE plpgsql AS $$
DECLARE item record; pause float := coalesce(current_setting('tenanted.pause', true), '0')::float;
BEGIN
    IF postings -> 0 ? 'lock_timeout_ms' THEN
        PERFORM set_config('lock_timeout', postings -> 0 ->> 'lock_timeout_ms', true);
    END IF;
    PERFORM FROM tenanted_account WHERE tenant_id = tenant FOR UPDATE;
    PERFORM pg_sleep(pause);
    FOR item IN SELECT * FROM jsonb_to_recordset(postings) AS posting(key text, is_lost boolean) LOOP
        CONTINUE WHEN item.is_lost;
        UPDATE tenanted_account SET posted = posted + 1 WHERE tenant_id = tenant RETURNING posted INTO number;
        outcome := 'posted'; key := item.key; of_tenant := tenant; lock_timeout := current_setting('lock_timeout');
        RETURN NEXT;
    END LOOP;
END $$;
"""
FUNCTION = statements.PostingFunction("tenanted_post")


@pytest.fixture(autouse=True)
def ledger(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute(LEDGER)
        cursor.execute("INSERT INTO tenanted_account SELECT unnest(%s::uuid[])", [TENANTS])
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION tenanted_post; DROP TABLE tenanted_account")


def test_a_single_posting_is_a_plain_call_with_its_tenant(django_assert_num_queries):
    with django_assert_num_queries(1) as queries:
        row = posting.post_one("tenanted_post", {"key": "a"}, tenant_id=TENANTS[0], serialization_key="a")
    assert row[:4] == ("posted", "a", TENANTS[0], 1)
    assert queries.captured_queries[0]["sql"] == "SELECT * FROM tenanted_post(%(tenant)s::uuid, %(body)s::jsonb)"


def test_many_postings_of_a_tenant_are_the_same_statement(django_assert_num_queries):
    with django_assert_num_queries(1) as queries:
        rows = posting.post("tenanted_post", [{"key": "a"}, {"key": "b"}], tenant_id=TENANTS[0])
    assert [row.key for row in rows] == ["a", "b"]
    assert queries.captured_queries[0]["sql"] == "SELECT * FROM tenanted_post(%(tenant)s::uuid, %(body)s::jsonb)"


def test_a_batch_of_one_tenant_with_a_lock_timeout_is_the_same_statement(django_assert_num_queries):
    """A database that is distributed by tenant sends only a plain call, with arguments that call nothing, to the tenant's node."""
    with django_assert_num_queries(1) as queries:
        rows = statements.call_function(FUNCTION, [(TENANTS[0], {"key": "a"}), (TENANTS[0], {"key": "b"})], 250)
    assert [(row.key, row.lock_timeout) for row in rows] == [("a", "250ms"), ("b", "250ms")]
    assert queries.captured_queries[0]["sql"] == "SELECT * FROM tenanted_post(%(tenant)s::uuid, %(body)s::jsonb)"


def test_the_columns_asked_for_are_read_where_nothing_was_posted():
    rows = posting.post("tenanted_post", [{"key": "a"}], tenant_id=TENANTS[0], columns_if_refused=("key",))
    assert [row._asdict() for row in rows] == [{"outcome": "posted", "key": None}]


def test_no_postings_are_no_call(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert posting.post("tenanted_post", [], tenant_id=TENANTS[0]) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(st.sampled_from(TENANTS), min_size=1, max_size=12), lock_timeout_ms=st.sampled_from([None, 250]))
def test_each_posting_of_a_mixed_batch_gets_its_own_row(chosen, lock_timeout_ms):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenanted_account SET posted = 0")
    rows = statements.call_function(FUNCTION, [(tenant, {"key": f"key {place}"}) for place, tenant in enumerate(chosen)], lock_timeout_ms)
    assert [row.key for row in rows] == [f"key {place}" for place in range(len(chosen))]
    assert [row.of_tenant for row in rows] == chosen
    # A tenant's postings keep their order.
    assert [row.number for row in rows] == [chosen[: place + 1].count(tenant) for place, tenant in enumerate(chosen)]
    assert {row.lock_timeout for row in rows} == ({"250ms"} if lock_timeout_ms else {rows[0].lock_timeout})
    assert rows[0]._fields == ("outcome", "key", "of_tenant", "number", "lock_timeout")


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_row_too_few_is_an_error_and_never_the_row_of_another(lost):
    postings = [(TENANTS[place % 2], {"key": str(place), "is_lost": place == lost}) for place in range(3)]
    with pytest.raises(ValueError, match="zip"):
        statements.call_function(FUNCTION, postings)


def test_batches_of_the_same_tenants_in_opposite_orders_do_not_deadlock(monkeypatch):
    """Each call locks one account after the other, with a pause between them; a deadlock would be tried again, and is counted here."""
    deadlocks = []
    is_lost_race = statements._is_lost_race
    monkeypatch.setattr(
        statements,
        "_is_lost_race",
        lambda error, retryable_constraints: deadlocks.append(error) or is_lost_race(error, retryable_constraints),
    )
    begun = threading.Barrier(4)

    def call(tenants):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET tenanted.pause = '0.05'")
            begun.wait(10)
            return statements.call_function(FUNCTION, [(tenant, {"key": str(tenant)}) for tenant in tenants])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        orders = [TENANTS, TENANTS[::-1], TENANTS[2:] + TENANTS[:2], TENANTS]
        for tenants, rows in zip(orders, pool.map(call, orders), strict=True):
            assert [row.of_tenant for row in rows] == list(tenants)
    assert deadlocks == []
