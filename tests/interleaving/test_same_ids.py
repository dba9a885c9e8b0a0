"""Two tenants whose rows have the same ids and keys: each call of the scenes sees and changes its own tenant's rows only.

The database's keys begin with the tenant, so a book that was brought along from another tenant may share every id with it.
"""

import copy
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import connection

from kernel.ledger.base_models import SameTenantKey, TenantOwned
from tests.factories import TenantFactory
from tests.interleaving.billing_calls import BillingBook, record_many
from tests.interleaving.credits_calls import period_over
from tests.interleaving.harness import LAPSE, START, Scene, outcome, serial
from tests.interleaving.metering_calls import repriced_one
from tests.interleaving.test_interleavings import CALLS

pytestmark = pytest.mark.django_db
# A run of re-pricing is one for all tenants, and so is its undo.
FOR_ALL_TENANTS = {"undo"}


def copied_models() -> list[type[TenantOwned]]:
    return [model for model in apps.get_models() if issubclass(model, TenantOwned) and model._meta.app_label != "tenants"]


def tables() -> list[str]:
    return [model._meta.db_table for model in copied_models()]


def neighbour_of(book: Any) -> Any:
    """The same book in another tenant: every row is copied with its id."""
    other = copy.deepcopy(book)
    other.tenant_id = TenantFactory().id
    for context in (getattr(other, name) for name in ("who", "context") if hasattr(other, name)):
        context["tenant_id"] = other.tenant_id
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in tables():
            columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
            kept = ", ".join(f'"{column}"' for column in columns if column != "tenant_id")
            cursor.execute(
                f"INSERT INTO {table} (tenant_id, {kept}) SELECT %s, {kept} FROM {table} WHERE tenant_id = %s",
                [other.tenant_id, book.tenant_id],
            )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return other


def rows_of(book: Any) -> list[tuple[str, str]]:
    """Every row of the tenant, with its table."""
    queries = [f"SELECT '{table}', entry::text FROM {table} entry WHERE tenant_id = %(tenant)s" for table in tables()]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(queries) + " ORDER BY 1, 2", {"tenant": book.tenant_id})
        return cursor.fetchall()


@pytest.mark.parametrize(("scene", "name"), [param for param in CALLS if param.values[1] not in FOR_ALL_TENANTS])
def test_a_call_leaves_the_rows_of_a_tenant_with_the_same_ids_alone(scene: Scene, name: str):
    for first in [(), ("lapse",)] if scene.lapses else [()]:
        once, twice = serial(scene, (*first, name)), serial(scene, (*first, name, name))
        with time_machine.travel(START, tick=True) as clock:
            book = scene.make()
            other = neighbour_of(book)
            clock.shift(LAPSE * len(first))
            replies: dict[int, list[Any]] = {0: [], 1: []}
            # Twice in turn: whichever of two rows with one id a query without the tenant finds, it finds the wrong one once.
            for turn in range(4):
                mine, theirs = (book, other) if turn % 2 == 0 else (other, book)
                before = rows_of(theirs)
                replies[turn % 2].append(outcome(lambda mine=mine: scene.calls[name](mine)))
                expected = once if turn < 2 else twice
                named = sorted((f"{name} {number}", reply) for number, reply in enumerate(replies[turn % 2]))
                assert (named, scene.state(mine)) == expected
                assert rows_of(theirs) == before


@pytest.mark.parametrize("make", [BillingBook, period_over, repriced_one])
def test_a_row_is_joined_and_read_with_rows_of_its_own_tenant_only(make: Any):
    with time_machine.travel(START, tick=True):
        book = make()
        other = neighbour_of(book)
    joined = 0
    for model in copied_models():
        references = [field.name for field in model._meta.concrete_fields if isinstance(field, SameTenantKey)]
        for tenant_id in (book.tenant_id, other.tenant_id):
            its = model._base_manager.filter(tenant_id=tenant_id)
            together = list(its.select_related(*references)) if references else []
            assert len(together) == (its.count() if references else 0)
            for row in [*together, *its[:2]]:
                found = [related.tenant_id for name in references if (related := getattr(row, name)) is not None]
                assert set(found) <= {tenant_id}
                joined += len(found)
    assert joined


def test_a_replay_in_an_array_is_answered_with_the_entry_of_its_own_tenant():
    with time_machine.travel(START, tick=True):
        book = BillingBook()
        other = neighbour_of(book)
        for mine in (book, other):
            replies = record_many(mine, ("topup", 60, "first"), ("topup", 40, "second"))
            assert [(reply.replayed, reply.row.tenant_id, reply.row.id) for reply in replies] == [
                (True, mine.tenant_id, book.first),
                (True, mine.tenant_id, book.second),
            ]
