"""A list reads a page of rows and counts up to a bound, however many rows its table has, by default and with filters that have an index."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from billing import services as billing
from billing.models import Transaction
from credits import services as credits
from credits.models import CreditTransaction
from kernel.ledger.admin import paging, searching, sums
from metering.models import Cost
from metering.models import Transaction as MeteredTransaction
from metering.services import record_transaction
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
# Rows that are counted and summed up, and rows of the table: when it is measured first, and how many times as many then.
COUNTED, FEW, TIMES = 100, 1000, 4
# For every list.
QUERIES = {
    "by default": "",
    "all": "window=all",
    "the last page that is counted": "window=all&p=2",
    "a tenant": "window=all&tenant={tenant}",
}


def entries(context: dict[str, Any]) -> Any:
    for number in range(5):
        billing.record_transaction(**context, amount=Decimal(9), type="topup", reference_id=f"top {number}")
    return billing.record_transaction(**context, amount=Decimal(1), type="usage", reference_id="usage", agent_id="bot").row


def calls(context: dict[str, Any]) -> Any:
    facts = {"service_name": "chat", "action_name": "complete", "resource_name": "gpt-4o"}
    for _ in range(5):
        record_transaction(**context, **facts, customer_id="few")
    costs = [{"fiat_amount": Decimal(3), "fiat_asset_symbol": "USD", "is_estimate": True}]
    recorded = record_transaction(**context, **facts, customer_id="many", agent_name="bot", costs=costs)
    return MeteredTransaction.objects.get(pk=recorded.row["id"])


def costs(context: dict[str, Any]) -> Any:
    return Cost.objects.get(transaction=calls(context))


def credit_entries(context: dict[str, Any]) -> Any:
    unit = {"unit_type": "CURRENCY", "currency": "USD"}
    for number in range(5):
        credits.create_grant(**context, **unit, customer_id="few", amount=Decimal(9), name=f"grant {number}")
    grant = credits.create_grant(**context, **unit, customer_id="many", amount=Decimal(9), name="grant")
    return credits.record_transaction(**context, grant_id=grant.row.id, type="DEBIT", amount=Decimal(1), invoice_id="one").row


@dataclass(frozen=True)
class List:
    """`first`: records a few rows, and returns the one that is copied. `keys`: what differs in copy `number`."""

    model: type[Any]
    first: Callable[[dict[str, Any]], Any]
    keys: Mapping[str, str]
    queries: Mapping[str, str]

    @property
    def table(self) -> str:
        return str(self.model._meta.db_table)


# Copies are of the same moment, and happened a second apart.
HAPPENED = {"occurred_at": "copied.occurred_at - number * interval '1 second'"}
NUMBERED = {"entry_number": "copied.entry_number + number"}
LISTS = [
    List(
        Transaction,
        entries,
        HAPPENED | NUMBERED | {"reference_id": "'usage ' || number"},
        {
            "a tenant, by when it happened": "window=all&tenant={tenant}&o=-10",
            "a type": "window=all&tenant={tenant}&type_is=usage",
            "an agent": "window=all&tenant={tenant}&agent=bot",
            "credits, which are few": "window=all&direction=credit",
            "flagged ones, which are few": "window=all&flag=any",
            "reversed ones, which are few": "window=all&reversal=reversed",
        },
    ),
    List(
        MeteredTransaction,
        calls,
        HAPPENED,
        {
            "a tenant, by when it happened": "window=all&tenant={tenant}&o=-10",
            "an agent": "window=all&tenant={tenant}&agent=bot",
            "a customer": "window=all&tenant={tenant}&customer=many",
            "a customer with few": "window=all&tenant={tenant}&customer=few",
            "cancelled ones, of which there are none": "window=all&tenant={tenant}&status__exact=cancelled",
        },
    ),
    List(Cost, costs, {}, {}),
    List(
        CreditTransaction,
        credit_entries,
        HAPPENED | NUMBERED,
        {
            "a tenant, by when it happened": "window=all&tenant={tenant}&o=-9",
            "a customer": "window=all&tenant={tenant}&customer=many",
            "a customer with few": "window=all&tenant={tenant}&customer=few",
        },
    ),
]


def grow(case: List, row: Any, first: int, last: int) -> None:
    """Copies of a row, each with an id and keys of its own."""
    keys = {"id": "(substr(copied.id::text, 1, 24) || lpad(to_hex(number), 12, '0'))::uuid", **case.keys}
    columns = [field.column for field in case.model._meta.concrete_fields]
    values = ", ".join(keys.get(column, f'copied."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {case.table} ({names})"
            f" SELECT {values} FROM {case.table} AS copied, generate_series(%s, %s) AS number WHERE copied.id = %s",
            [first, last, row.id],
        )
        cursor.execute(f"ANALYZE {case.table}")


def rows_read(table: str) -> int:
    """Of the table by this transaction so far, through indexes or without."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = %s", [table])
        return int(cursor.fetchone()[0])


def reads_of(client: Any, case: List, tenant: Any) -> dict[str, int]:
    address = f"/admin/{case.model._meta.label_lower.replace('.', '/')}/"
    found = {}
    for title, query in {**QUERIES, **case.queries}.items():
        before = rows_read(case.table)
        assert client.get(f"{address}?{query.format(tenant=tenant.id)}").status_code == 200, title
        found[title] = rows_read(case.table) - before
    return found


@pytest.mark.parametrize("case", LISTS, ids=lambda case: case.table)
def test_no_list_reads_more_of_a_larger_table(case, office, monkeypatch):
    for module in (sums, paging):
        monkeypatch.setattr(module, "MAX_COUNTED", COUNTED)
    tenant = TenantFactory()
    row = case.first({"tenant_id": tenant.id, "actor": "command:test", "request_id": "r"})
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {case.table} DISABLE TRIGGER USER")
    grow(case, row, 1, FEW)
    few = reads_of(office, case, tenant)
    grow(case, row, FEW + 1, FEW * TIMES)
    many = reads_of(office, case, tenant)
    assert {title: (few[title], read) for title, read in many.items() if read > few[title] + 60} == {}
    # A value that is in many rows is known to be by reading so many ids of it.
    assert max(many.values()) <= searching.MAX_MATCHES + 2 * COUNTED
