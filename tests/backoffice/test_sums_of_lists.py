"""The sums below a long list: exactly those of its rows, from what the ledgers keep or from the rows themselves; else none, and why."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from billing import services as billing
from billing.models import Transaction
from kernel.ledger.admin import paging, sums
from kernel.tenants.models import StaffProfile
from tests.backoffice.staff_members import employ, log_in
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/billing/transaction/"
SUMS = "/admin/backoffice/sums/"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def tenants(monkeypatch):
    """Two, with entries of two currencies, types and directions, some hours apart over four days."""
    for module in (sums, paging):
        monkeypatch.setattr(module, "MAX_COUNTED", 2)
    found = TenantFactory(), TenantFactory()
    for tenant in found:
        billing.define_type(tenant_id=tenant.id, actor="command:test", request_id="", code="usage", label="Usage", direction="debit")
        for number in range(16):
            type_code, currency = ("topup", "usage")[number % 2], ("EUR", "USD")[number // 2 % 2]
            billing.record_transaction(
                tenant_id=tenant.id,
                actor="command:test",
                request_id="",
                reference_id=f"{number}",
                type=type_code,
                amount=Decimal(2) ** number,
                currency=currency,
                occurred_at=NOON + timedelta(hours=7 * number),
            )
    return found


def sums_in(html):
    return sorted(re.findall(r'class="money">(\S+) <span>(\w*)<', html))


def summed(address, reader):
    """What the list adds up to, by its own rows, which fit on a page."""
    found = {}
    for row in reader.get(address).context["cl"].result_list:
        found[row.currency] = found.get(row.currency, 0) + row.effect
    return sorted((f"{total:,.2f}", unit) for unit, total in found.items())


QUERIES = {
    "window=all": True,
    "window=all&tenant={tenant}&currency=eur": True,
    "window=all&direction__exact=debit": True,
    "window=all&type_is=topup&tenant={tenant}": True,
    "occurred_at_from_0=2026-03-11&occurred_at_to_0=2026-03-13": True,
    "occurred_at_from_0=2026-03-11&occurred_at_from_1=10:00&type_is=usage": True,
    "occurred_at_from_0=2026-03-11&occurred_at_from_1=10:00&occurred_at_to_0=2026-03-11": True,
    "window=today&tenant={tenant}": False,
    "window=all&amount_from=100": False,
    "window=all&q=1": False,
    "created_at_from_0=2026-03-11&occurred_at_from_0=2026-03-12": False,
}


def test_the_sums_are_those_of_the_rows_and_kept_ones_where_the_filters_allow(tenants):
    reader = log_in(employ("reader", "viewer"))
    # Days of the reader are not those of what is kept.
    StaffProfile.objects.update(time_zone="Asia/Kolkata")
    wrong = {}
    for query, is_kept in QUERIES.items():
        address = f"{LIST}?{query.format(tenant=tenants[0].id)}"
        with CaptureQueriesContext(connection) as queries:
            html = reader.get(SUMS, {"from": address}).content.decode()
            # The next request forgets them.
            used_kept = any("billing_dailytotal" in each["sql"] for each in queries)
        expected = summed(address, reader)
        assert expected
        if (sums_in(html), used_kept) != (expected, is_kept):
            wrong[query] = (sums_in(html), expected, used_kept)
    assert wrong == {}


def test_a_long_list_asks_for_its_sums_once_it_is_shown(tenants):
    reader, address = log_in(employ("reader", "viewer")), f"{LIST}?window=all&type_is=usage"
    html = reader.get(address).content.decode()
    asked = re.search(r'data-sums="([^"]+)"', html)[1].replace("&amp;", "&")
    assert QueryDict(urlsplit(asked).query)["from"] == address
    assert sums_in(reader.get(asked).content.decode()) == summed(address, reader)


def test_nobody_sees_sums_of_other_tenants(tenants):
    limited = log_in(employ("limited", "viewer", tenants=[tenants[0]]))
    all_of_both = log_in(employ("reader", "viewer")).get(SUMS, {"from": f"{LIST}?window=all"}).content.decode()
    html = limited.get(SUMS, {"from": f"{LIST}?window=all"}).content.decode()
    assert sums_in(html) == summed(f"{LIST}?window=all", limited) != sums_in(all_of_both)
    nobody = log_in(employ("nobody"))
    assert nobody.get(SUMS, {"from": LIST}).status_code == 403
    assert limited.get(SUMS, {"from": "/admin/"}).status_code == 404
    assert limited.get(SUMS, {"from": "/admin/backoffice/export/"}).status_code in {200, 404}


def test_too_many_rows_have_no_sum_but_links_to_shorter_periods(tenants, monkeypatch):
    monkeypatch.setattr(sums, "MAX_SUMMED", 9)
    reader = log_in(employ("reader", "viewer"))
    query = f"window=all&amount_from=1&occurred_at_from_0=2026-01-01&tenant={tenants[0].id}"
    html = reader.get(SUMS, {"from": f"{LIST}?{query}"}).content.decode()
    assert "No sum of more than 9 rows" in html
    assert sums_in(html) == []
    months = {title: address.replace("&amp;", "&") for address, title in re.findall(r'href="([^"]+)">([^<]+)<', html)}
    assert {"2026-01", "2026-03"} <= set(months)
    of_march = reader.get(months["2026-03"])
    assert of_march.context["cl"].result_count > 0
    days = reader.get(SUMS, {"from": months["2026-03"]}).content.decode()
    assert "2026-03-31" in days
    assert reader.get(re.search(r'href="([^"]+)">2026-03-10<', days)[1].replace("&amp;", "&")).context["cl"].result_count == 2
    assert reader.get(re.search(r'href="([^"]+)">2026-01<', html)[1].replace("&amp;", "&")).context["cl"].result_count == 0


def test_what_takes_too_long_has_no_sum(tenants, monkeypatch):
    monkeypatch.setattr(sums, "SUM_MS", 1)

    def slow(*arguments):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(1)")

    monkeypatch.setattr(sums, "sums_by_unit", slow)
    html = log_in(employ("reader", "viewer")).get(SUMS, {"from": f"{LIST}?window=all&amount_from=1"}).content.decode()
    assert "narrow the period" in html
    assert Transaction.objects.exists()
