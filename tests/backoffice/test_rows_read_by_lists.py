"""A list reads a page of rows and counts up to a bound, however many rows its table has, by default and with filters that have an index."""

from decimal import Decimal

import pytest
from django.db import connection

from billing import services as billing
from billing.models import Transaction
from kernel.ledger.admin import paging, searching, sums
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
TABLE = Transaction._meta.db_table
LIST = "/admin/billing/transaction/"
# Rows that are counted and summed up, and rows of the table: when it is measured first, and how many times as many then.
COUNTED, FEW, TIMES = 100, 1000, 4
QUERIES = {
    "by default": "",
    "all": "window=all",
    "the last page that is counted": "window=all&p=2",
    "a tenant": "window=all&tenant={tenant}",
    "a tenant, by when it happened": "window=all&tenant={tenant}&o=-10",
    "a type": "window=all&tenant={tenant}&type_is=usage",
    "an agent": "window=all&tenant={tenant}&agent=bot",
    "credits, which are few": "window=all&direction=credit",
    "flagged ones, which are few": "window=all&flag=any",
    "reversed ones, which are few": "window=all&reversal=reversed",
}
# Copies of a usage entry, each with keys of its own.
COPY = f"""
    INSERT INTO {TABLE} ({{columns}})
    SELECT {{values}} FROM {TABLE} AS entry, generate_series(%s, %s) AS number WHERE entry.id = %s
"""


@pytest.fixture
def ledger():
    tenant = TenantFactory()
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": "r"}
    for number in range(5):
        billing.record_transaction(**context, amount=Decimal(9), type="topup", reference_id=f"top {number}")
    row = billing.record_transaction(**context, amount=Decimal(1), type="usage", reference_id="usage", agent_id="bot").row
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER USER")
    return tenant, row


def grow(row, first, last):
    """Usage entries of the same moment, which happened a second apart."""
    keys = {
        "id": "(substr(entry.id::text, 1, 24) || lpad(to_hex(number), 12, '0'))::uuid",
        "entry_number": "entry.entry_number + number",
        "reference_id": "'usage ' || number",
        "occurred_at": "entry.occurred_at - number * interval '1 second'",
    }
    columns = [field.column for field in Transaction._meta.concrete_fields]
    values = ", ".join(keys.get(column, f'entry."{column}"') for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(COPY.format(columns=", ".join(f'"{column}"' for column in columns), values=values), [first, last, row.id])
        cursor.execute(f"ANALYZE {TABLE}")


def rows_read():
    """Of the table by this transaction so far, through indexes or without."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = %s", [TABLE])
        return cursor.fetchone()[0]


def reads_of(client, tenant):
    found = {}
    for title, query in QUERIES.items():
        before = rows_read()
        assert client.get(f"{LIST}?{query.format(tenant=tenant.id)}").status_code == 200
        found[title] = rows_read() - before
    return found


def test_no_list_reads_more_of_a_larger_table(office, ledger, monkeypatch):
    for module in (sums, paging):
        monkeypatch.setattr(module, "MAX_COUNTED", COUNTED)
    tenant, row = ledger
    grow(row, 1, FEW)
    few = reads_of(office, tenant)
    grow(row, FEW + 1, FEW * TIMES)
    many = reads_of(office, tenant)
    assert {title: (few[title], read) for title, read in many.items() if read > few[title] + 60} == {}
    # A value that is in many rows is known to be by reading so many ids of it.
    assert max(many.values()) <= searching.MAX_MATCHES + 2 * COUNTED
