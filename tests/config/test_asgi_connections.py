"""What comes over a connection and what goes out by it: bodies in every form, callers who go away, names, long replies."""

import asyncio
import base64
import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client

from billing import services as billing
from billing.api import views as billing_views
from billing.models import Transaction
from config import asgi
from config.web_server import request_body, streamed_replies
from kernel.ledger.posting import execution
from metering.models import Transaction as Metered
from tests.asgi import Call
from tests.factories import IssuedKeyFactory

ONE, MANY = "/v1/billing/transactions", "/v1/transactions/batch"
BATCH_TYPE = {ONE: "application/json", MANY: "application/x-ndjson"}
STATEMENT = "/v1/billing/wallet/statement?format=csv&from=2020-01-01&to=2100-01-01"


@pytest.fixture
def issued(transactional_db):
    return IssuedKeyFactory()


@pytest.fixture
def call(issued):
    """A call with a good key; without `length` its body is chunked."""

    def call(method, target, *, pieces=(b"",), headers=None, length=True, **ways):
        body = {"Content-Length": str(sum(map(len, pieces)))} if length else {"Transfer-Encoding": "chunked"}
        given = {"Authorization": f"Bearer {issued.token}", "Content-Type": BATCH_TYPE.get(target, "")} | body | (headers or {})
        return Call(method, target, headers=given.items(), pieces=pieces, **ways)

    return call


def body_for(path):
    """A good body that writes one row in the ledger, or two."""
    if path == ONE:
        return b'{"amount": 30.5, "type": "topup", "reference_id": "1"}'
    return b"".join(b'{"serviceName": "s", "actionName": "a", "resourceName": "%d"}\n' % number for number in range(2))


def written():
    return Transaction.objects.count() + Metered.objects.count()


# Bodies

on_the_loop_and_in_a_thread = pytest.mark.parametrize("path", [ONE, MANY], ids=["on the loop", "in a thread"])


@on_the_loop_and_in_a_thread
@pytest.mark.parametrize("length", [True, False], ids=["with its length", "chunked"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_body_may_come_in_many_pieces(served, call, path, length, size):
    body = body_for(path)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    asked = served.answer(call("POST", path, pieces=pieces, length=length))
    assert (asked.status, asked.received) == (200, len(pieces))
    assert written() == (1 if path == ONE else 2)


@on_the_loop_and_in_a_thread
def test_a_piece_may_be_empty(served, call, path):
    body = body_for(path)
    assert served.answer(call("POST", path, pieces=[b"", body[:9], b"", body[9:], b""], length=False)).status == 200
    assert written() == (1 if path == ONE else 2)


@on_the_loop_and_in_a_thread
def test_a_packed_body_may_be_chunked(served, call, path):
    packed = gzip.compress(body_for(path))
    asked = call("POST", path, pieces=[packed[:20], packed[20:]], length=False, headers={"Content-Encoding": "gzip"})
    assert served.answer(asked).status == 200
    assert written() == (1 if path == ONE else 2)


@on_the_loop_and_in_a_thread
def test_nothing_is_read_of_a_body_whose_length_is_over_the_limit(served, call, settings, path):
    settings.API_BODY_LIMIT = settings.API_BATCH_BODY_LIMIT = 1000
    asked = served.answer(call("POST", path, pieces=[b" " * 500] * 3))
    assert (asked.status, asked.received) == (413, 0)


def test_a_request_too_large_for_the_back_office_gets_a_plain_error_page(served, call, settings):
    settings.API_BATCH_BODY_LIMIT = 1000
    asked = served.answer(call("POST", "/admin/login/", pieces=[b" " * 500] * 3))
    assert (asked.status, asked.received, asked.body) == (413, 0, b"More than 1,000 bytes can't be sent here.\n")


@pytest.mark.parametrize("in_memory", [10, 1_000_000], ids=["on the disk", "in memory"])
def test_a_caller_who_stalls_in_a_body_occupies_no_thread(served, call, monkeypatch, in_memory):
    monkeypatch.setattr(asgi, "_threads", ThreadPoolExecutor(1))
    monkeypatch.setattr(request_body, "IN_MEMORY", in_memory)
    body = body_for(MANY)
    slow, quick = call("POST", MANY, pieces=[body[:30], body[30:]]), call("GET", "/livez")
    receive = slow.receive

    async def stalling():
        async with asyncio.timeout(10):
            while slow.received == 1 and not quick.is_complete:
                await asyncio.sleep(0)
        return await receive()

    slow.receive = stalling
    served.answer_all(slow, quick)
    assert (slow.status, quick.status) == (200, 200)
    assert written() == 2


@on_the_loop_and_in_a_thread
def test_a_chunked_body_is_read_only_until_it_is_over_the_limit(served, call, settings, path):
    settings.API_BODY_LIMIT = settings.API_BATCH_BODY_LIMIT = 1000
    asked = served.answer(call("POST", path, pieces=[b" " * 400] * 9, length=False))
    assert (asked.status, asked.received) == (413, 3)


@on_the_loop_and_in_a_thread
def test_a_body_as_large_as_may_be_is_read(served, call, settings, path):
    body = body_for(path)
    settings.API_BODY_LIMIT = settings.API_BATCH_BODY_LIMIT = len(body)
    assert served.answer(call("POST", path, pieces=[body[:-1], body[-1:]], length=False)).status == 200


@on_the_loop_and_in_a_thread
@pytest.mark.parametrize("length", [True, False], ids=["with its length", "chunked"])
@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_a_client_that_disconnects_within_the_body_writes_nothing_and_logs_no_error(served, call, caplog, path, length, pieces):
    body = body_for(path)
    # Each piece but the last could stand for itself.
    sent = [body, body.replace(b"1", b"2")][:pieces]
    promised = {"Content-Length": str(3 * len(body))} if length else {}
    asked = call("POST", path, pieces=[*sent, b"{"], length=length, headers=promised, is_cut_off=True)
    if not pieces:
        asked.coming.clear()
    served.answer(asked)
    assert written() == 0
    assert asked.status in {None, 400}
    assert [record for record in caplog.records if record.levelname not in {"INFO", "DEBUG"}] == []


# Names


@pytest.fixture
def environ(served, monkeypatch):
    """What Django is given for a call."""

    def environ(call):
        given = []

        def answer(environ, start_response):
            given.append(environ | {"body": environ["wsgi.input"].read()})
            start_response("200 OK", [])
            return HttpResponse()

        with monkeypatch.context() as patch:
            patch.setattr(asgi, "wsgi_application", answer)
            served.answer(call)
        return given[0]

    return environ


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/credit%2Dtransactions", b"/credit-transactions", b""),
        (b"/caf%C3%A9?caf%C3%A9=%26", "/café".encode(), b"caf%C3%A9=%26"),
        (b"/%ff%00%2f", b"/\xff\x00/", b""),
        (b"/?a=\xff\xc3", b"/", b"a=\xff\xc3"),
        (b"/?", b"/", b""),
        (b"/a//b/../c?d?e", b"/a//b/../c", b"d?e"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_is_unquoted_and_a_query_string_is_not(environ, method, target, path, query):
    given = environ(Call(method, target))
    assert (given["REQUEST_METHOD"], given["SCRIPT_NAME"]) == (method, "")
    assert (given["PATH_INFO"].encode("latin-1"), given["QUERY_STRING"].encode("latin-1")) == (path, query)


def test_a_header_with_an_underscore_is_never_read_as_another_header(environ):
    given = environ(Call("GET", "/", headers=[("X_Forwarded_Proto", "https"), ("X-Forwarded-For", "right"), ("X_Forwarded-For", "wrong")]))
    assert "HTTP_X_FORWARDED_PROTO" not in given
    assert given["HTTP_X_FORWARDED_FOR"] == "right"


def test_a_header_that_comes_twice_is_one_list(environ):
    given = environ(Call("GET", "/", headers=[("Accept", "a"), ("X-Other", "b"), ("accept", "c\xe9")]))
    assert (given["HTTP_ACCEPT"], given["HTTP_X_OTHER"]) == ("a,c\xe9", "b")


def test_content_type_and_content_length_have_no_http_prefix(environ):
    given = environ(Call("POST", "/", headers=[("Content-Type", "text/plain"), ("Content-Length", "3")], pieces=[b"abc"]))
    assert (given["CONTENT_TYPE"], given["CONTENT_LENGTH"]) == ("text/plain", "3")
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(given)
    assert given["body"] == b"abc"


def test_a_key_under_a_name_with_an_underscore_is_no_key(served, issued):
    body = body_for(ONE)
    about_it = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    for name, status in (("x_api_key", 401), ("x-api-key", 200)):
        assert served.answer(Call("POST", ONE, headers=[(name, issued.token), *about_it], pieces=[body])).status == status
        assert served.answer(Call("GET", ONE, headers=[(name, issued.token)])).status == status


@pytest.mark.parametrize("target", ["/v1/billing/%74ransactions", "/v1/billing/agents/%C3%A9%2F1/summary", "/v1/%FF", "/nowhere/%00", "/"])
def test_odd_paths_are_found_as_through_wsgi(served, call, issued, target):
    same = {"X-Request-ID": "the-same"}
    asked = served.answer(call("GET", target, headers=same))
    expected = Client().get(target, headers={"Authorization": f"Bearer {issued.token}"} | same)
    assert (asked.status, asked.body) == (expected.status_code, expected.content)


@pytest.mark.parametrize("query", [b"limit=%31", b"limit=\xff", b"cursor=\xc3\xa9", b"limit=%FF&limit=2"])
def test_odd_queries_are_read_as_through_wsgi(served, call, issued, query):
    asked = served.answer(call("GET", ONE.encode() + b"?" + query))
    expected = Client().generic("GET", ONE, QUERY_STRING=query.decode("latin-1"), headers={"Authorization": f"Bearer {issued.token}"})
    assert (asked.status, asked.body) == (expected.status_code, expected.content)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/schema/", "/docs", "/admin/", "/static/countinghouse/pages.css", "/static/nowhere.css"]
)
def test_pages_and_files_are_answered_as_through_wsgi(served, method, path):
    asked = served.answer(Call(method, path, headers=[("X-Request-ID", "the-same"), ("Content-Length", "0")]))
    expected = Client(enforce_csrf_checks=True).generic(method, path, headers={"X-Request-ID": "the-same"})
    body = b"".join(expected.streaming_content if expected.streaming else [expected.content])
    assert (asked.status, asked.body) == (expected.status_code, b"" if method == "HEAD" else body)
    headers = {name.decode(): value.decode("latin-1") for name, value in asked.headers}
    # Expires is a moment, to the second.
    assert headers | {"expires": ""} == {name.lower(): value for name, value in expected.items()} | {"expires": ""}


def test_a_form_and_its_cookies_pass(served, django_user_model):
    """Logging in to the back office: the token of the page comes back with the form, and two cookies go out as two headers."""
    django_user_model.objects.create_superuser("boss", password="boss-password-1")
    page = served.answer(Call("GET", "/admin/login/"))
    [token] = [value.strip().partition(b";")[0].decode() for name, value in page.headers if name == b"set-cookie"]
    form = urlencode({"username": "boss", "password": "boss-password-1", "csrfmiddlewaretoken": token.partition("=")[2]}).encode()
    sent = {"Cookie": token, "Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(form))}
    entered = served.answer(Call("POST", "/admin/login/?next=/admin/", headers=sent.items(), pieces=[form[:20], form[20:]]))
    assert (entered.status, dict(entered.headers)[b"location"]) == (302, b"/admin/")
    cookies = [value.strip().partition(b";")[0].decode() for name, value in entered.headers if name == b"set-cookie"]
    assert sorted(cookie.partition("=")[0] for cookie in cookies) == ["csrftoken", "sessionid"]
    assert served.answer(Call("GET", "/admin/", headers=[("Cookie", "; ".join(cookies))])).status == 200


# Long replies


@pytest.fixture
def statement(issued, monkeypatch):
    """A statement of some pieces; counts its lines as they are written, and says when its writing ended."""
    entries = [
        {"amount": Decimal(1), "type": "topup", "reference_id": f"line {number}", "description": "x" * 300} for number in range(1000)
    ]
    context = {"tenant_id": issued.key.tenant.id, "actor": "command:test", "request_id": "test"}
    billing.record_transactions(**context, transactions=entries)
    writing, progress = billing_views.csv_text, SimpleNamespace(lines=0, has_ended=threading.Event())

    def counted(statement):
        try:
            for line in writing(statement):
                progress.lines += 1
                yield line
        finally:
            progress.has_ended.set()

    monkeypatch.setattr(billing_views, "csv_text", counted)
    return progress


def test_a_long_reply_comes_in_pieces_and_whole(served, call, issued, statement):
    expected = b"".join(Client().get(STATEMENT, headers={"Authorization": f"Bearer {issued.token}"}).streaming_content)
    asked = served.answer(call("GET", STATEMENT))
    assert (asked.status, asked.is_complete) == (200, True)
    assert asked.body.splitlines()[1:] == expected.splitlines()[1:]
    assert dict(asked.headers)[b"content-type"] == b"text/csv; charset=utf-8"
    assert b"content-length" not in dict(asked.headers)
    assert len(asked.pieces) > 3
    assert min(map(len, asked.pieces[:-2])) >= streamed_replies.MIN_PIECE_BYTES


def test_a_caller_is_the_same_for_long_replies_however_the_key_is_sent(issued, statement):
    basic = base64.b64encode(issued.basic.encode()).decode()
    forms = [
        {"Authorization": f"Bearer {issued.token}"},
        {"Authorization": f"bearer   {issued.token}"},
        {"Authorization": f"Basic {basic}"},
        {"Authorization": "anything else", "X-Api-Key": issued.token},
    ]
    assert {Client().get(STATEMENT, headers=form).caller for form in forms} == {f"key:{issued.key.id}"}


def test_where_the_client_disconnects_within_the_reply_it_is_closed(served, call, statement):
    asked = served.answer(call("GET", STATEMENT, reads_at_most=1))
    assert not asked.is_complete
    assert statement.has_ended.is_set()
    assert 0 < statement.lines < 900
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
        )
        assert cursor.fetchone() == (0,)
    assert served.answer(call("GET", "/livez")).status == 200


def test_a_reply_that_fails_half_way_is_not_ended_as_if_it_were_whole(served, monkeypatch):
    def lines():
        yield b"x" * streamed_replies.MIN_PIECE_BYTES
        raise ZeroDivisionError

    def answer(environ, start_response):
        start_response("200 OK", [])
        return StreamingHttpResponse(lines())

    monkeypatch.setattr(asgi, "wsgi_application", answer)
    call = Call("GET", "/")
    with pytest.raises(ZeroDivisionError):
        served.answer(call)
    assert (len(call.body), call.is_complete) == (streamed_replies.MIN_PIECE_BYTES, False)


def test_while_a_reader_is_slow_others_are_served(served, call, statement):
    slow, go_on = call("GET", STATEMENT), asyncio.Event()
    sends = slow.send

    async def waits(message):
        if slow.pieces:
            await go_on.wait()
        await sends(message)

    quick = call("POST", ONE, pieces=[body_for(ONE)])
    answers = quick.send

    async def lets_go(message):
        await answers(message)
        if quick.is_complete:
            assert not slow.is_complete
            go_on.set()

    slow.send, quick.send = waits, lets_go
    served.answer_all(slow, quick)
    assert (slow.is_complete, quick.status) == (True, 200)


# The server's own


def test_the_lifespan_protocol_is_answered_and_its_end_closes_the_connections(served, call):
    assert served.answer(call("POST", ONE, pieces=[body_for(ONE)])).status == 200
    [pool] = execution._pools[served.runner.get_loop()].values()
    assert not pool.closed
    coming, events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

    async def receive():
        return coming.pop(0)

    async def send(message):
        events.append((message["type"], pool.closed))

    served.runner.run(asgi.application({"type": "lifespan"}, receive, send))
    assert events == [("lifespan.startup.complete", False), ("lifespan.shutdown.complete", True)]
    assert served.runner.get_loop() not in execution._pools


def test_a_websocket_is_refused(served):
    events = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        events.append(message["type"])

    served.runner.run(asgi.application({"type": "websocket", "path": ONE}, receive, send))
    assert events == ["websocket.close"]


def test_short_replies_are_sent_in_one_piece_with_their_length(served, call):
    """A page from a thread and a posting from the loop have each their length, or the server would send them in chunks."""
    for asked in (call("GET", "/livez"), call("POST", ONE, pieces=[body_for(ONE)]), call("POST", ONE)):
        served.answer(asked)
        assert int(dict(asked.headers)[b"content-length"]) == len(asked.body)
        assert len(asked.pieces) == 1
        assert json.loads(asked.body)
