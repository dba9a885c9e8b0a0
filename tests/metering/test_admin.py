"""The metering ledger in the back office: every list opens, finds, and costs the same with one row and with many."""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kernel.corrections.kinds import CorrectionInput, get_kind
from kernel.ledger.admin.formatting import money
from kernel.ledger.errors import LedgerError
from metering import services
from metering.integrity import checks
from metering.models import Cost, Trace

URL = "/v1/transactions"
COST = {"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": True}
PAGES = ["transaction", "cost", "fact", "statuschange", "agent", "service", "trace", "price", "unitprice", "policy", "rollup"]


def queries(client, path):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def fill(caller, number):
    name = {"serviceName": f"s{number}", "agentName": f"a{number}", "traceExternalId": f"t{number}"}
    created = caller.create(**name, costs=[COST], metadata={"a": 2.50})
    facts = {"source": "s", "version": "1", "factPhase": "response", "facts": {"inputTokens": 1, "outputTokens": 1}}
    caller.post(f"{URL}/{created['id']}/facts", facts)
    context = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
    services.set_price(**context, units=[{"fact_key": "n", "amount": Decimal(1)}], valid_from=timezone.now(), service_name=f"s{number}")
    services.set_policy(**context)
    return created


@pytest.mark.parametrize("page", PAGES)
def test_a_list_costs_the_same_with_one_row_and_with_many(admin_client, caller, outsider, page):
    path = f"/admin/metering/{page}/"
    fill(caller, 0)
    queries(admin_client, path)
    few = queries(admin_client, path)
    for number in range(1, 8):
        fill(outsider, number)
    assert queries(admin_client, path) == few


def test_rows_are_found_by_exactly_what_names_them(admin_client, caller):
    created, other = fill(caller, 0), fill(caller, 1)
    for page, term, count in (
        ("transaction", created["id"], 1),
        ("cost", created["costs"][0]["id"], 1),
        ("cost", created["id"], 2),
        ("fact", other["id"], 1),
        ("statuschange", other["id"], 1),
        ("agent", "a1", 1),
        ("trace", "t1", 1),
        ("trace", created["traceId"], 1),
        ("service", "s0", 1),
        ("service", "s", 2),
        ("service", "x", 0),
    ):
        found = admin_client.get(f"/admin/metering/{page}/", {"q": term})
        assert len(found.context["cl"].result_list) == count, (page, term)


def test_the_list_of_calls_says_what_each_costs(admin_client, caller):
    caller.create(costs=[COST | {"fiatAmount": "2.5"}, COST | {"fiatAmount": "1", "fiatAssetSymbol": "EUR", "isEstimate": False}])
    html = re.sub("<[^>]*>", "", admin_client.get("/admin/metering/transaction/").content.decode())
    assert "2.50 USD estimated1.00 EUR " in html


@pytest.mark.parametrize("query", ["transaction/?status=authorized", "cost/?is_active=1", "fact/?pricing=priced", "rollup/?grain=day"])
def test_filters_choose(admin_client, caller, query):
    fill(caller, 0)
    assert len(admin_client.get(f"/admin/metering/{query}").context["cl"].result_list) == 1
    page = query.split("/")[0]
    assert len(admin_client.get(f"/admin/metering/{page}/?q=nothing").context["cl"].result_list) == 0


def test_costs_are_summed_from_the_sums_of_usage_where_the_filters_allow(admin_client, caller, outsider):
    for each in (caller, caller, outsider):
        fill(each, 0)
        each.create(serviceName="s1", costs=[COST | {"fiatAmount": "2", "fiatAssetSymbol": "EUR", "isEstimate": False}])
    own = f"&tenant={caller.tenant.id}&window=all"
    expected = {
        f"is_active__exact=1{own}": True,
        f"is_active__exact=1&is_estimate__exact=1{own}": True,
        f"is_active__exact=1&is_estimate__exact=0&currency=eur{own}": True,
        f"is_active__exact=0{own}": False,
        "is_active__exact=1": False,
    }
    for query, is_kept in expected.items():
        address = f"/admin/metering/cost/?{query}"
        with CaptureQueriesContext(connection) as captured:
            html = admin_client.get("/admin/backoffice/sums/", {"from": address}).content.decode()
            assert any("metering_rollup" in each["sql"] for each in captured) == is_kept, query
        sums = {}
        for row in admin_client.get(address).context["cl"].result_list:
            sums[row.fiat_asset_symbol] = sums.get(row.fiat_asset_symbol, 0) + row.fiat_amount
        assert sums
        for unit, total in sums.items():
            assert str(money(total, unit)) in html, query


def test_a_row_shows_all_it_holds(admin_client, caller):
    created = fill(caller, 0)
    page = admin_client.get(f"/admin/metering/transaction/{created['id']}/change/").content.decode()
    assert "2.5" in page
    cost = Cost.objects.get(is_active=True)
    assert "arithmetic" in admin_client.get(f"/admin/metering/cost/{cost.id}/change/").content.decode()


def test_the_page_of_a_trace_shows_its_calls_and_leads_to_their_list(admin_client, caller):
    created, other = fill(caller, 0), fill(caller, 1)
    html = admin_client.get(f"/admin/metering/trace/{created['traceId']}/change/").content.decode()
    page = "/admin/metering/transaction/{}/change/"
    assert (page.format(created["id"]) in html, page.format(other["id"]) in html) == (True, False)
    address = re.search('href="(/admin/metering/transaction/[?][^"]*)"', html)[1].replace("&amp;", "&")
    assert [str(row.id) for row in admin_client.get(address).context["cl"].result_list] == [created["id"]]


def test_a_trace_says_when_for_whom_by_which_agents_and_what_its_calls_cost(admin_client, caller):
    names = {"traceExternalId": "run-7", "agentName": "bot"}
    for number in range(3):
        caller.create(**names, customerId=f"customer {number}", costs=[COST, COST | {"fiatAmount": "2", "isEstimate": number == 0}])
    html = admin_client.get("/admin/metering/trace/").content.decode()
    row = re.search("<tbody>(.*?)</tbody>", html, re.DOTALL)[1]
    labels = re.findall('data-label="([^"]*)"', row)
    assert labels == ["Begun", "Customer", "Agent", "Cost", "Calls", "Tenant", "Reference of its own", "Reference"]
    text = " ".join(re.sub("<[^>]*>", " ", row).split())
    for part in ("customer 0, customer 1, 1 more", "bot", "4.00 USD", "2.15 USD estimated", " 3 "):
        assert part in text
    page = admin_client.get(f"/admin/metering/trace/{Trace.objects.get().pk}/change/").content.decode()
    assert "2.15" in page


def test_a_trace_with_more_calls_than_the_list_reads_has_no_sums(admin_client, caller, monkeypatch):
    monkeypatch.setattr("metering.admin.traces.MAX_CALLS", 1)
    for _ in range(2):
        caller.create(traceExternalId="run-7", costs=[COST])
    text = re.sub("<[^>]*>", " ", admin_client.get("/admin/metering/trace/").content.decode())
    assert "more than 1" in text
    assert "0.05" not in text


def test_a_cost_is_corrected_by_one_that_supersedes_it(caller):
    created = caller.create(costs=[COST, COST | {"fiatAmount": "2"}])
    first, second = (cost["id"] for cost in created["costs"])

    def correct(code, target, **facts):
        context = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": "r"}
        why = {"reason_code": "duplicate", "reason": "wrong price", "key": f"request:{target}"}
        return get_kind(code).post(CorrectionInput(**context, **why, target_id=target, facts=facts))

    [posted] = correct("metering.supersede", second, amount="1.5")
    shown = (posted.unit, posted.effect, posted.balance_before, posted.balance_after)
    assert shown == ("USD", Decimal("-0.5"), Decimal("2.05"), Decimal("1.55"))
    assert correct("metering.supersede", second, amount="1.5") == [posted]
    correct("metering.waive", first)
    assert caller.get(f"{URL}/{created['id']}/costs").json()["totalActiveCostUsd"] == "1.500000000000000000"
    with pytest.raises(LedgerError):
        correct("metering.supersede", first, amount="1")
    assert list(checks.find_violations()) == []
