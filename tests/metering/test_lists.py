"""GET /v1/transactions and /v1/agents: pages that never repeat or lose a row, filters, and what is no filter."""

from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.utils import timezone

URL = "/v1/transactions"


def test_pages_go_through_everything_once_in_both_directions(caller, outsider):
    outsider.create()
    ids = [caller.create()["id"] for _ in range(5)]
    for sort, expected in (("created_at", ids), ("-created_at", ids[::-1])):
        seen, page = [], caller.get(URL, **{"page[limit]": 2, "sort": sort}).json()
        assert page["links"]["prev"] is None
        seen += page["data"]
        while page["links"]["next"]:
            assert page["meta"]["page"] == {"limit": 2, "hasNext": True, "hasPrev": page["links"]["prev"] is not None}
            page = caller.client.get(page["links"]["next"], headers=caller.headers).json()
            seen += page["data"]
        assert [row["id"] for row in seen] == expected
        back = caller.client.get(page["links"]["prev"], headers=caller.headers).json()
        assert [row["id"] for row in back["data"]] == expected[2:4]


def test_an_array_of_one_moment_is_paged_like_any_other(caller):
    caller.post(f"{URL}/batch", [{"serviceName": "s"}] * 7)
    seen, link = [], f"{URL}?page%5Blimit%5D=3"
    while link:
        page = caller.client.get(link, headers=caller.headers).json()
        seen += [row["id"] for row in page["data"]]
        link = page["links"]["next"]
    assert len(seen) == len(set(seen)) == 7


def test_an_empty_list_has_its_envelope(caller):
    assert caller.get(URL).json() == {
        "data": [],
        "links": {"self": URL, "next": None, "prev": None},
        "meta": {"page": {"limit": 20, "hasNext": False, "hasPrev": False}},
    }


def test_links_keep_the_filters_and_percent_encode_the_brackets(caller):
    for _ in range(2):
        caller.create()
    link = caller.get(URL, **{"page[limit]": 1, "filter[status]": "authorized"}).json()["links"]["next"]
    assert "[" not in link
    assert unquote(link).startswith(f"{URL}?page[limit]=1&filter[status]=authorized&page[after]=")


def test_filters_choose(caller, outsider):
    theirs = outsider.create(agentName="a", serviceName="other")
    plain, done = caller.create(), caller.create(agentName="a", serviceName="other")
    caller.post(f"{URL}/{done['id']}/complete", {"outcome": "success"})
    now = timezone.now()
    earlier, later = (now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).isoformat()
    for filters, expected in (
        ({"filter[status]": "completed"}, [done]),
        ({"filter[status]": "authorized"}, [plain]),
        ({"filter[status]": "denied"}, []),
        ({"filter[service]": "other"}, [done]),
        ({"filter[service]": "nobody"}, []),
        ({"filter[agent]": done["agentId"]}, [done]),
        ({"filter[agent]": theirs["agentId"]}, []),
        ({"filter[trace]": plain["traceId"]}, [plain]),
        ({"filter[time_period]": "24h"}, [done, plain]),
        ({"filter[time_period]": "all", "filter[from_date]": earlier}, [done, plain]),
        ({"filter[from_date]": later}, []),
        ({"filter[to_date]": earlier}, []),
        ({"filter[from_date]": now.date().isoformat(), "filter[to_date]": now.date().isoformat()}, [done, plain]),
    ):
        found = caller.get(URL, **filters).json()["data"]
        assert [row["id"] for row in found] == [row["id"] for row in expected], filters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"page[limit]": "0"}, "page[limit] must not be less than 1"),
        ({"page[limit]": "101"}, "page[limit] must not be greater than 100"),
        ({"page[limit]": "ten"}, "page[limit] must be an integer number"),
        ({"page[after]": "nonsense"}, "page[after] must be a cursor of this list"),
        ({"page[before]": "\x00"}, "page[before] must not contain NUL or unpaired surrogates"),
        ({"sort": "amount"}, "sort must be one of the following values: created_at, -created_at, occurred_at, -occurred_at"),
        ({"filter[agent]": "bob"}, "filter[agent] must be a UUID"),
        ({"filter[from_date]": "yesterday"}, "filter[from_date] must be a valid ISO 8601 date string"),
        ({"filter[to_date]": "9999-12-31"}, "filter[to_date] must be in the range 1900-01-01 to 2199-12-31"),
        ({"filter[from_date]": "0001-01-01T00:00:00+14:00"}, "filter[from_date] must be in the range 1900-01-01 to 2199-12-31"),
        ({"filter[state]": "denied"}, "filter[state] should not exist; did you mean filter[status]?"),
        ({"page[size]": "5"}, "page[size] should not exist; did you mean page[limit]?"),
        ({"flags": "1"}, "flags should not exist"),
        ({"filter[time_period]": "1h"}, "filter[time_period] must be one of the following values: 24h, 7d, 30d, 90d, all"),
    ],
)
def test_what_is_no_page_or_filter(caller, parameters, message):
    reply = caller.get(URL, **parameters)
    assert (reply.status_code, reply.json()) == (400, {"message": [message], "error": "Bad Request", "statusCode": 400})


def test_a_cursor_opens_no_other_tenants_list(caller, outsider):
    for one in (caller, outsider):
        one.create()
        one.create()
    link = caller.get(URL, **{"page[limit]": 1}).json()["links"]["next"]
    assert outsider.client.get(link, headers=outsider.headers).status_code == 400


def test_agents_are_made_and_listed(caller, outsider):
    outsider.post("/v1/agents", {"label": "theirs"})
    reply = caller.post("/v1/agents", {"label": "Research", "name": "research-1", "description": "reads papers"})
    agent = reply.json()
    assert (reply.status_code, agent) == (
        201,
        {
            "id": agent["id"],
            "tenantId": str(caller.tenant.id),
            "label": "Research",
            "name": "research-1",
            "description": "reads papers",
            "status": "active",
            "customerId": None,
            "createdAt": agent["createdAt"],
            "updatedAt": agent["createdAt"],
        },
    )
    assert caller.create(agentName="research-1")["agent"] == agent
    bare = caller.post("/v1/agents", {"label": "bare"}).json()
    assert (bare["name"], bare["description"]) == ("bare", None)
    assert caller.get("/v1/agents").json()["data"] == [bare, agent]
    assert caller.get("/v1/agents", **{"filter[name]": "bare"}).json()["data"] == [bare]
    again = caller.post("/v1/agents", {"label": "x", "name": "bare"})
    assert (again.status_code, again.json()["message"]) == (409, "An agent with this name exists already")
    for body in ({}, {"label": ""}, {"label": "x" * 256}, {"label": "x", "status": "asleep"}, {"label": 1}):
        assert caller.post("/v1/agents", body).status_code == 400


def test_an_agent_is_read_changed_and_stopped(caller, outsider):
    made = caller.post("/v1/agents", {"label": "Reader", "description": "reads", "customerId": "c-1"}).json()
    path = f"/v1/agents/{made['id']}"
    assert caller.get(path).json() == made
    assert caller.create(agentId=made["id"])["status"] == "authorized"
    stopped = caller.patch(path, {"status": "inactive"})
    assert (stopped.status_code, stopped.json()) == (200, made | {"status": "inactive", "updatedAt": stopped.json()["updatedAt"]})
    assert caller.create(agentId=made["id"])["status"] == "denied"
    changed = caller.patch(path, {"label": "Writer", "description": None, "customerId": None}).json()
    assert changed | {"updatedAt": ""} == made | {
        "label": "Writer",
        "description": None,
        "customerId": None,
        "status": "inactive",
        "updatedAt": "",
    }
    assert caller.patch(path, {}).json()["label"] == "Writer"
    assert (outsider.get(path).status_code, outsider.patch(path, {"status": "active"}).status_code) == (404, 404)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"label": None}, "label should not be null"),
        ({"status": None}, "status should not be null"),
        ({"status": "paused"}, "status must be one of the following values: active, inactive"),
        ({"name": "other"}, "name should not exist"),
    ],
)
def test_a_change_of_an_agent_that_says_nothing_clear_is_refused(caller, body, message):
    made = caller.post("/v1/agents", {"label": "Reader"}).json()
    refused = caller.patch(f"/v1/agents/{made['id']}", body)
    assert (refused.status_code, message in str(refused.json()["message"])) == (400, True)
    assert caller.get(f"/v1/agents/{made['id']}").json() == made


def test_services_and_traces_are_listed(caller, outsider):
    outsider.create(serviceName="theirs", traceExternalId="run-9")
    made = [caller.create(serviceName=name, traceExternalId=f"run-{name}") for name in ("a", "b", "a")]
    services = caller.get("/v1/services").json()["data"]
    assert [(row["name"], row["id"]) for row in services] == [("b", made[1]["serviceId"]), ("a", made[0]["serviceId"])]
    assert [row["name"] for row in caller.get("/v1/services?filter[name]=a").json()["data"]] == ["a"]
    traces = caller.get("/v1/traces").json()["data"]
    assert [(row["id"], row["externalId"]) for row in traces] == [(made[1]["traceId"], "run-b"), (made[0]["traceId"], "run-a")]
    assert [row["id"] for row in caller.get("/v1/traces?filter[external_id]=run-a").json()["data"]] == [made[0]["traceId"]]
