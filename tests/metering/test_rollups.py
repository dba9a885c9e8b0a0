"""Traces, and usage and spend over time: sums that agree with the rows after whatever happened."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from metering import services
from metering.integrity import checks
from metering.models import Rollup
from tests.metering.conftest import Caller

URL = "/v1/transactions"
ESTIMATE = {"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": True}
DAY = datetime(2026, 3, 10, tzinfo=UTC)
NONE = "0.000000000000000000"


def record(caller: Caller, at: datetime, *, amount: str = "1", currency: str = "USD", is_estimate: bool = False, **facts) -> None:
    cost = {"fiat_amount": Decimal(amount), "fiat_asset_symbol": currency, "is_estimate": is_estimate}
    named = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt-4"} | facts
    context = {"tenant_id": caller.tenant.id, "actor": "command:test", "request_id": ""}
    services.record_transaction(**context, **named, occurred_at=at, costs=[cost])


def spend(total: str, *, costs: int = 1, estimated: str = "0", currency: str = "USD"):
    full = {name: f"{Decimal(value):.18f}" for name, value in (("total", total), ("estimated", estimated))}
    return {"fiatAssetSymbol": currency, "costs": costs, **full, "actual": f"{Decimal(total) - Decimal(estimated):.18f}"}


def counts(transactions: int, **others: int):
    return {"transactions": transactions, "succeeded": 0, "failed": 0, "denied": 0, "cancelled": 0} | others


def test_a_trace_shows_its_transactions_and_their_total(caller, outsider):
    first = caller.create(traceExternalId="job", costs=[ESTIMATE, ESTIMATE | {"fiatAssetSymbol": "EUR"}])
    second = caller.create(traceExternalId="job", costs=[ESTIMATE | {"isEstimate": False}])
    caller.create(costs=[ESTIMATE])
    url = f"/v1/traces/{first['traceId']}"
    body = caller.get(url).json()
    assert body == {
        "id": first["traceId"],
        "externalId": "job",
        "createdAt": body["createdAt"],
        "transactionCount": 2,
        "totalActiveCostUsd": "0.100000000000000000",
        "spend": [spend("0.05", estimated="0.05", currency="EUR"), spend("0.1", costs=2, estimated="0.05")],
        "transactions": [first, second],
    }
    assert caller.get(URL, **{"filter[trace]": first["traceId"]}).json()["data"] == [second, first]
    with CaptureQueriesContext(connection) as queries:
        caller.get(url)
    assert len(queries) == 5
    reply = outsider.get(url)
    assert (reply.status_code, reply.json()["message"]) == (404, f"Trace {first['traceId']} not found")


def test_a_summary_adds_up_hours_and_days_exactly(caller, outsider):
    record(caller, DAY - timedelta(seconds=1), amount="1000")
    record(caller, DAY + timedelta(hours=5, minutes=59), amount="100")
    record(caller, DAY + timedelta(hours=6), amount="1")
    record(caller, DAY + timedelta(days=2), amount="2", is_estimate=True)
    record(caller, DAY + timedelta(days=3, hours=7, minutes=59), amount="4", currency="EUR")
    record(caller, DAY + timedelta(days=3, hours=8), amount="200")
    record(outsider, DAY + timedelta(days=1), amount="5000")
    asked = {"filter[from_date]": "2026-03-10T06:30:00Z", "filter[to_date]": "2026-03-13T07:01:00Z"}
    assert caller.get("/v1/analytics/summary", **asked).json() == {
        "data": counts(3) | {"spend": [spend("4", currency="EUR"), spend("3", costs=2, estimated="2")]},
        "meta": {"fromDate": "2026-03-10T06:00:00.000Z", "toDate": "2026-03-13T08:00:00.000Z", "interval": None, "clock": "occurredAt"},
    }
    everything = caller.get("/v1/analytics/summary", **{"filter[time_period]": "all"}).json()
    assert everything["data"]["transactions"] == 6
    assert everything["data"]["spend"][1] == spend("1303", costs=5, estimated="2")


def test_a_summary_follows_what_happens_to_a_transaction(caller):
    created, cancelled = caller.create(costs=[ESTIMATE]), caller.create()
    caller.post(
        f"{URL}/{created['id']}/costs", ESTIMATE | {"fiatAmount": "2", "isEstimate": False, "supersedesCostId": created["costs"][0]["id"]}
    )
    caller.post(f"{URL}/{created['id']}/complete", {"outcome": "error"})
    caller.post(f"{URL}/{cancelled['id']}/cancel")
    assert caller.get("/v1/analytics/summary").json()["data"] == counts(2, failed=1, cancelled=1) | {"spend": [spend("2")]}


@pytest.mark.parametrize("path", ["summary", "chart", "leaderboards"])
def test_analytics_say_until_when_they_are_complete_only_where_their_end_lies_in_the_past(caller, path):
    def header(**asked):
        return caller.get(f"/v1/analytics/{path}", **asked).headers.get("Final-Until")

    now = timezone.now()
    final_until = header(**{"filter[to_date]": now.isoformat()})
    assert now <= datetime.fromisoformat(final_until) <= timezone.now()
    assert header() is None
    assert header(**{"filter[to_date]": (now + timedelta(hours=1)).isoformat()}) is None


def test_a_chart_has_every_day_or_hour(caller):
    record(caller, DAY + timedelta(hours=5))
    record(caller, DAY + timedelta(days=2), agent_name="a")
    dates = {"filter[from_date]": "2026-03-10", "filter[to_date]": "2026-03-12"}
    body = caller.get("/v1/analytics/chart", **dates).json()
    days = [f"2026-03-{day}T00:00:00.000Z" for day in (10, 11, 12)]
    assert body == {
        "data": [
            counts(1) | {"spend": [spend("1")], "startsAt": days[0]},
            counts(0) | {"spend": [], "startsAt": days[1]},
            counts(1) | {"spend": [spend("1")], "startsAt": days[2]},
        ],
        "meta": {"fromDate": days[0], "toDate": "2026-03-13T00:00:00.000Z", "interval": "day", "clock": "occurredAt"},
    }
    hours = caller.get("/v1/analytics/chart", interval="hour", **dates).json()["data"]
    assert len(hours) == 72
    assert [point["startsAt"] for point in hours if point["transactions"]] == ["2026-03-10T05:00:00.000Z", "2026-03-12T00:00:00.000Z"]
    with CaptureQueriesContext(connection) as queries:
        caller.get("/v1/analytics/chart", **dates)
    # One look at the postings in flight, because the end lies in the past; in a test's transaction it takes a second statement.
    waits = [query["sql"] for query in queries if "pg_locks" in query["sql"] or "pg_stat_clear_snapshot" in query["sql"]]
    assert len(waits) == 2
    assert len(queries) - len(waits) == 1


def test_a_chart_of_one_agent_or_service(caller):
    record(caller, DAY, agent_name="a")
    record(caller, DAY, service_name="other")
    agent = caller.get("/v1/agents").json()["data"][0]["id"]
    dates = {"filter[from_date]": "2026-03-10", "filter[to_date]": "2026-03-10"}
    for condition in ({"filter[agent]": agent}, {"filter[service]": "other"}):
        body = caller.get("/v1/analytics/summary", **dates, **condition).json()["data"]
        assert body == counts(1) | {"spend": [spend("1")]}


@pytest.mark.parametrize(
    "asked",
    [
        {"filter[time_period]": "1y"},
        {"filter[from_date]": "yesterday"},
        {"filter[from_date]": "2026-03-10", "filter[to_date]": "2026-03-09"},
        {"filter[from_date]": "2020-01-01", "interval": "hour"},
        {"filter[agent]": "bob"},
        {"filter[to_date]": "9999-12-31x"},
    ],
)
def test_what_no_chart_can_be_made_of(caller, asked):
    reply = caller.get("/v1/analytics/chart", **asked)
    assert reply.status_code == 400
    assert reply.json()["error"] == "Bad Request"


def test_leaderboards_rank_by_what_was_spent(caller):
    record(caller, DAY, amount="1", agent_name="small")
    record(caller, DAY, amount="5", agent_name="big", service_name="anthropic")
    record(caller, DAY, amount="9", currency="EUR", agent_name="european")
    record(caller, DAY, amount="2")
    dates = {"filter[from_date]": "2026-03-10", "filter[to_date]": "2026-03-10"}
    body = caller.get("/v1/analytics/leaderboards", **dates).json()
    assert [(leader["name"], leader["total"][:4], leader["transactions"]) for leader in body["agents"]] == [
        ("big", "5.00", 1),
        (None, "2.00", 1),
        ("small", "1.00", 1),
        ("european", "0.00", 1),
    ]
    assert [(leader["name"], leader["total"][:4], leader["transactions"]) for leader in body["services"]] == [
        ("anthropic", "5.00", 1),
        ("openai", "3.00", 3),
    ]
    euros = caller.get("/v1/analytics/leaderboards", **dates, **{"filter[currency]": "EUR", "page[limit]": 1}).json()
    assert [(leader["name"], leader["total"][:4]) for leader in euros["agents"]] == [("european", "9.00")]


def test_a_sum_that_was_tampered_with_is_found_and_made_anew(caller):
    created = caller.create(costs=[ESTIMATE], agentName="a")
    caller.post(f"{URL}/{created['id']}/complete", {"outcome": "success"})
    assert list(checks.find_violations()) == []
    call_command("verify_ledgers", ledger=["metering"], stdout=StringIO())
    before = set(Rollup.objects.values_list("grain", "currency", "transactions", "succeeded", "costs", "amount", "estimated"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_rollup SET amount = amount + 1 WHERE grain = 'day' AND currency = 'USD'")
    [violation] = checks.find_violations(tenant_id=caller.tenant.id)
    facts = [violation.facts[name] for name in ("grain", "currency", "amount")]
    assert (violation.check.name, facts) == ("metering_rollup_sums", ["day", "USD", 1])
    with pytest.raises(SystemExit):
        call_command("verify_ledgers", ledger=["metering"], stdout=StringIO())
    call_command("rebuild_rollups", tenant=caller.tenant.slug)
    assert list(checks.find_violations()) == []
    assert Rollup.objects.count() > 0
    assert sum(row[5] for row in before) == sum(Rollup.objects.values_list("amount", flat=True))
    services.rebuild_rollups(tenant_id=caller.tenant.id)
    assert list(checks.find_violations()) == []


def test_an_account_shows_its_balance_and_what_it_spends_of_it(caller, outsider):
    empty = {"24h": NONE, "7d": NONE, "30d": NONE}
    nothing = {"availableBalanceUsd": None, "spend": empty, "burnPerDayUsd": NONE, "runwayDays": None, "clock": "occurredAt"}
    assert caller.get("/v1/accounts/spend").json() == {"data": nothing}
    topup = {"amount": 100, "type": "topup", "reference_id": "order-1"}
    assert caller.post("/v1/billing/transactions", topup).status_code == 200
    for days, amount in ((0, "7"), (3, "14"), (20, "1"), (40, "1")):
        record(caller, timezone.now() - timedelta(days=days), amount=amount)
    record(caller, timezone.now(), amount="5", currency="EUR")
    record(outsider, timezone.now(), amount="100")
    full = {name: f"{Decimal(amount):.18f}" for name, amount in (("24h", 7), ("7d", 21), ("30d", 22))}
    account = {"availableBalanceUsd": f"{Decimal(100):.18f}", "spend": full, "burnPerDayUsd": f"{Decimal(3):.18f}", "runwayDays": 33.3}
    account |= {"clock": "occurredAt"}
    assert caller.get("/v1/accounts/spend").json() == {"data": account}
