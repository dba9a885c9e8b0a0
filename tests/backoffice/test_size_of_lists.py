"""Every list with a full page of rows is at most 150 KB of HTML: nobody waits for markup, on a train either."""

import pytest
from django.contrib import admin
from django.db import connection, models

from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.base_models import LedgerRow
from kernel.ledger.identifiers import new_id
from tests.backoffice.full_book import fill_every_table
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
MAX_BYTES = 150_000


def test_a_full_page_of_every_list_is_small(office, boss):
    """Each table's first row is repeated without its constraints: what a cell holds is what people see."""
    fill_every_table(TenantFactory(name="Acme"), boss)
    pages = [page for page in admin.site._registry.values() if isinstance(page, LedgerAdmin) and not page.model._meta.proxy]
    # Which table has no row yet is what tests/backoffice/test_every_page.py says.
    pages = [page for page in pages if page.model._base_manager.exists()]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for page in pages:
            fill_a_page(cursor, page)
    sizes = {}
    for page in pages:
        meta = page.model._meta
        query = "?window=all" if issubclass(page.model, LedgerRow) else ""
        response = office.get(f"/admin/{meta.app_label}/{meta.model_name}/{query}")
        html = response.content.decode()
        assert response.status_code == 200, meta.label
        assert html.count('class="data-row"') == page.list_per_page, meta.label
        sizes[meta.label] = len(response.content)
    assert {label: size for label, size in sizes.items() if size > MAX_BYTES} == {}


# Functions take their rows, and would not take those of a temporary table, which have another type.
ROWS_OF_FUNCTIONS = {"billing_wallet", "credits_grant"}


def fill_a_page(cursor, page):
    """Copies of a row with keys of their own, in a table of the same columns without constraints that forbid them."""
    meta = page.model._meta
    key, table = meta.pk.column, f'"{meta.db_table}"'
    others = "".join(f', "{field.column}"' for field in meta.concrete_fields if field.column != key)
    if meta.db_table in ROWS_OF_FUNCTIONS:
        drop_unique_indexes(cursor, meta.db_table)
    else:
        cursor.execute(f"CREATE TEMPORARY TABLE {table} ON COMMIT DROP AS SELECT * FROM {table}")
    for number in range(page.list_per_page):
        value = (
            new_id()
            if isinstance(meta.pk, models.UUIDField)
            else f"2000-01-{number % 28 + 1:02}"
            if isinstance(meta.pk, models.DateField)
            else 10**6 + number
        )
        cursor.execute(f'INSERT INTO {table} ("{key}"{others}) SELECT %s{others} FROM {table} LIMIT 1', [value])


def drop_unique_indexes(cursor, table):
    """Until the test's transaction is rolled back."""
    cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
    cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'x')", [table])
    for (name,) in cursor.fetchall():
        cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}" CASCADE')
    cursor.execute("SELECT indexrelid::regclass FROM pg_index WHERE indrelid = %s::regclass AND indisunique", [table])
    for (name,) in cursor.fetchall():
        cursor.execute(f"DROP INDEX {name}")
