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


def fill_a_page(cursor, page):
    """Copies of a row with keys of their own, in a table of the same columns without any constraint."""
    meta = page.model._meta
    key = meta.pk.column
    columns = [field.column for field in meta.concrete_fields]
    others = ", ".join(f'"{column}"' for column in columns if column != key)
    cursor.execute(f'CREATE TEMPORARY TABLE "{meta.db_table}" ON COMMIT DROP AS SELECT * FROM "{meta.db_table}"')
    for number in range(page.list_per_page):
        value = (
            new_id()
            if isinstance(meta.pk, models.UUIDField)
            else f"2000-01-{number % 28 + 1:02}"
            if isinstance(meta.pk, models.DateField)
            else 10**6 + number
        )
        cursor.execute(
            f'INSERT INTO pg_temp."{meta.db_table}" ("{key}", {others}) SELECT %s, {others} FROM pg_temp."{meta.db_table}" LIMIT 1', [value]
        )
