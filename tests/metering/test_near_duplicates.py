"""Transactions that are alike and happened shortly after one another."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

URL = "/v1/transactions/near-duplicates"
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
REPORT = {"source": "s", "version": "1", "facts": {"model": "gpt-4o", "usage": {"prompt_tokens": 1000, "completion_tokens": 10}}}
CALL = {
    "serviceName": "openai",
    "actionName": "chat",
    "resourceName": "gpt-4o",
    "agentName": "writer",
    "customerId": "ada",
    "outcome": "success",
    "responseFacts": REPORT,
    "requestFacts": {"source": "s", "version": "1", "request": {"prompt": "hello"}},
}


def record(caller, seconds: float, **facts) -> str:
    at = (NOW + timedelta(seconds=seconds)).isoformat()
    return caller.create(**CALL | {"occurredAt": at, "metadata": {"attempt": seconds}} | facts)["id"]


def pairs(caller, **asked) -> list[tuple]:
    reply = caller.get(URL, **asked)
    assert reply.status_code == 200, reply.content
    return [(row["earlier"]["id"], row["later"]["id"], row["millisecondsApart"]) for row in reply.json()["data"]]


def test_pairs_are_listed_newest_first_with_what_makes_them_alike(caller, outsider):
    ids = [record(caller, seconds) for seconds in (0, 12.5, 60, 121)]
    record(outsider, 0), record(outsider, 1)
    body = caller.get(URL).json()
    assert [(row["earlier"]["id"], row["later"]["id"]) for row in body["data"]] == [(ids[1], ids[2]), (ids[0], ids[1])]
    first = body["data"][0]
    assert (first["millisecondsApart"], first["later"]) == (47_500, caller.read(ids[2]))
    assert first["alike"] == {
        "serviceName": "openai",
        "actionName": "chat",
        "resourceName": "gpt-4o",
        "model": "gpt-4o",
        "agentId": first["later"]["agentId"],
        "customerId": "ada",
        "outcome": "success",
        "costs": [{"fiatAssetSymbol": "USD", "total": "0.002600000000000000", "estimated": "0.000000000000000000"}],
        "inputTokens": 1000,
        "outputTokens": 10,
        **dict.fromkeys(("cacheReadTokens", "cacheWriteTokens", "inputAudioTokens", "outputAudioTokens", "reasoningTokens"), 0),
    }
    assert len(pairs(caller, within_seconds=61)) == 3
    assert [later for _, later, _ in pairs(caller, **{"filter[from_date]": (NOW + timedelta(seconds=60)).isoformat()})] == [ids[2]]
    assert pairs(caller, **{"filter[to_date]": (NOW + timedelta(seconds=12)).isoformat()}) == []


@pytest.mark.parametrize(
    "other",
    [
        {"serviceName": "azure"},
        {"actionName": "embed"},
        {"resourceName": "gpt-4o-mini"},
        {"agentName": "reader"},
        {"customerId": "bob"},
        {"customerId": None},
        {"outcome": "error"},
        {"qualifiers": {"env": "prod"}},
        {"requestFacts": None},
        {"requestFacts": CALL["requestFacts"] | {"request": {"prompt": "hello again"}}},
        {"responseFacts": REPORT | {"facts": {"model": "gpt-4o", "usage": {"prompt_tokens": 1001, "completion_tokens": 10}}}},
        {"costs": [{"fiatAmount": "1", "fiatAssetSymbol": "EUR", "isEstimate": False}]},
    ],
)
def test_what_differs_in_one_of_these_is_no_near_duplicate(caller, other):
    record(caller, 0), record(caller, 1, **other)
    assert pairs(caller) == []
    record(caller, 2)
    assert len(pairs(caller)) == 1


def test_filters_and_pages(caller, outsider):
    ids = [record(caller, seconds) for seconds in range(4)]
    others = [record(caller, seconds, serviceName="azure", customerId="bob", agentName="reader") for seconds in range(2)]
    agent = caller.read(others[0])["agentId"]
    for asked in ({"filter[service]": "azure"}, {"filter[customer]": "bob"}, {"filter[agent]": agent}):
        assert [pair[:2] for pair in pairs(caller, **asked)] == [tuple(others)]
    found, address = [], f"{URL}?filter[service]=openai&page[limit]=2"
    while address:
        with CaptureQueriesContext(connection) as queries:
            body = caller.client.get(address, headers=caller.headers).json()
        found += [row["later"]["id"] for row in body["data"]]
        address = body["links"]["next"]
        if address:
            assert outsider.client.get(address, headers=outsider.headers).status_code == 400
            assert caller.client.get(address.replace("openai", "azure"), headers=caller.headers).status_code == 400
    assert found == ids[:0:-1]
    assert sum("metering_usage " in query["sql"] and "lag(" in query["sql"] for query in queries) == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"within_seconds": 0}, "within_seconds must not be less than 1"),
        ({"within_seconds": 86_401}, "within_seconds must not be greater than 86400"),
        ({"filter[from_date]": "2026-01-01"}, "filter[from_date] leads to more than 31 days"),
        ({"filter[from_date]": "2026-11-02", "filter[to_date]": "2026-10-01"}, "filter[to_date] must be later than the beginning"),
        ({"filter[time_period]": "90d"}, "filter[time_period] must be one of the following values: 24h, 7d, 30d"),
        ({"filter[state]": "open"}, "filter[state] should not exist"),
        ({"page[after]": "x"}, "page[after] must be a cursor of this list"),
    ],
)
def test_what_the_list_does_not_take(caller, asked, message):
    reply = caller.get(URL, **asked)
    assert (reply.status_code, reply.json()["message"][0][: len(message)]) == (400, message)


def test_a_pair_whose_costs_differ_after_a_later_cost_is_no_pair_any_more(caller):
    first, second = record(caller, 0), record(caller, 1)
    assert [pair[:2] for pair in pairs(caller)] == [(first, second)]
    caller.post(f"/v1/transactions/{second}/costs", {"fiatAmount": "1", "fiatAssetSymbol": "USD", "isEstimate": False})
    assert pairs(caller) == []
    cost = caller.post(f"/v1/transactions/{first}/costs", {"fiatAmount": "1", "fiatAssetSymbol": "USD", "isEstimate": False})
    assert cost.status_code == 201
    [row] = caller.get(URL).json()["data"]
    assert Decimal(row["alike"]["costs"][0]["total"]) == Decimal("1.0026")
