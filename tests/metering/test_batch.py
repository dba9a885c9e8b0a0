"""POST /v1/transactions/batch: many at once, each for itself."""

import gzip
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.models import Cost, Transaction

URL = "/v1/transactions/batch"
COST = {"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": True}


def test_each_item_has_its_own_outcome(caller):
    good = {"serviceName": "s", "actionName": "a", "resourceName": "r", "costs": [COST], "idempotencyKey": "one"}
    items = [good, {}, good, good | {"actionName": "b"}, {"serviceName": "s", "agentId": "x"}, 5, {"serviceName": "t"}]
    reply = caller.post(URL, items)
    body = reply.json()
    assert reply.status_code == 200
    assert body["meta"] == {"posted": 2, "replayed": 1, "refused": 4}
    assert [(item["index"], item["status"]) for item in body["data"]] == list(enumerate([201, 400, 201, 409, 400, 400, 201]))
    first = body["data"][0]["transaction"]
    assert body["data"][2] == {"index": 2, "status": 201, "replayed": True, "id": first["id"], "transaction": first}
    assert caller.read(first["id"]) == first
    assert body["data"][1]["error"] == {"message": ["serviceName should not be empty"], "error": "Bad Request", "statusCode": 400}
    assert "(actionName)" in body["data"][3]["error"]["message"]
    assert body["data"][4]["error"]["message"] == ["agentId must be a UUID"]
    assert Transaction.objects.count() == 2


def test_an_agent_that_is_nobodys_refuses_only_its_item(caller):
    stranger = "123e4567-e89b-12d3-a456-426614174000"
    item = {"serviceName": "s", "idempotencyKey": "k"}
    body = caller.post(URL, [item | {"agentId": stranger}, item]).json()
    assert [item["status"] for item in body["data"]] == [400, 201]
    assert body["data"][0]["error"]["message"] == ["agentId must be an agent of yours, or come with agentName"]


@pytest.mark.django_db(transaction=True)
def test_a_thousand_are_one_statement(caller):
    caller.create()
    items = [{"serviceName": "s", "actionName": f"a{number}", "resourceName": "r", "costs": [COST, COST]} for number in range(1000)]
    with CaptureQueriesContext(connection) as queries:
        body = caller.post(URL, items).json()
    assert len(queries) == 1
    assert body["meta"] == {"posted": 1000, "replayed": 0, "refused": 0}
    assert [item["transaction"]["actionName"] for item in body["data"]] == [item["actionName"] for item in items]
    assert Cost.objects.count() == 2000


def test_the_ids_alone_where_that_is_enough(caller):
    body = caller.post(f"{URL}?reply=ids", [{"serviceName": "s"}, {}]).json()
    short = {"index": 0, "status": 201, "id": str(Transaction.objects.get().id), "transactionStatus": "authorized"}
    assert body["data"][0] == short
    assert body["data"][1]["status"] == 400
    assert caller.post(f"{URL}?reply=none", [{"serviceName": "s"}]).status_code == 400


def test_more_than_a_thousand_are_refused(caller):
    reply = caller.post(URL, [{"serviceName": "s"}] * 1001)
    assert (reply.status_code, reply.json()["message"]) == (400, ["the body must not be longer than 1000"])
    assert not Transaction.objects.exists()


def test_lines_and_gzip_are_read_too(caller):
    lines = b'{"serviceName": "a"}\n\n{"serviceName": 5}\n{nonsense\n{"serviceName": "b"}'
    for raw, headers in ((lines, {}), (gzip.compress(lines), {"Content-Encoding": "gzip"})):
        reply = caller.client.post(URL, raw, content_type="application/x-ndjson", headers=caller.headers | headers)
        assert [item["status"] for item in reply.json()["data"]] == [201, 400, 400, 201]
    packed = gzip.compress(json.dumps([{"serviceName": "c"}]).encode())
    assert caller.post(URL, packed, **{"Content-Encoding": "gzip"}).json()["meta"]["posted"] == 1


@pytest.mark.parametrize("raw", [b"", b"{}", b"[", b"null", b'"x"'])
def test_what_is_no_array_is_refused_whole(caller, raw):
    reply = caller.post(URL, raw)
    assert reply.status_code == 400
    assert reply.json()["statusCode"] == 400


def test_an_empty_array_does_nothing(caller):
    assert caller.post(URL, []).json() == {"data": [], "meta": {"posted": 0, "replayed": 0, "refused": 0}}


def test_a_gzip_bomb_is_refused(caller):
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    reply = caller.post(URL, bomb, **{"Content-Encoding": "gzip"})
    assert (reply.status_code, reply.json()["statusCode"]) == (413, 413)


def test_a_batch_with_a_key_that_is_sent_again_records_nothing_twice(caller):
    items = [{"serviceName": "s", "costs": [COST]}, {}, {"serviceName": "t", "idempotencyKey": "own"}]
    first = caller.post(URL, items, **{"Idempotency-Key": "K"}).json()
    again = caller.post(URL, items, **{"Idempotency-Key": "K"}).json()
    assert (first["meta"], again["meta"]) == (
        {"posted": 2, "replayed": 0, "refused": 1},
        {"posted": 0, "replayed": 2, "refused": 1},
    )
    assert [item.get("id") for item in again["data"]] == [item.get("id") for item in first["data"]]
    assert set(Transaction.objects.values_list("idempotency_key", flat=True)) == {"K:0", "own"}


def test_the_key_of_a_batch_leaves_room_for_the_index(caller):
    assert caller.post(URL, [{"serviceName": "s"}] * 1000, **{"Idempotency-Key": "k" * 251}).json()["meta"]["posted"] == 1000
    refused = caller.post(URL, [{"serviceName": "s"}], **{"Idempotency-Key": "k" * 252})
    assert (refused.status_code, refused.json()["message"]) == (400, ["Idempotency-Key must not be longer than 251"])
