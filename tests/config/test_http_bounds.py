"""What one caller may hold of a server: memory, threads, connections, time. By raw sockets on 127.0.0.1, few and for seconds."""

import contextlib
import gzip
import json
import re
import socket
import threading
import time

import pytest
import uvicorn
from django.http import HttpResponse, StreamingHttpResponse

from config import asgi
from config.web_server import http_protocol, request_body, streamed_replies
from config.web_server.http_protocol import BoundedHttpProtocol

PATIENCE = 10


@contextlib.contextmanager
def serving(application):
    """The port of an application served in a thread."""
    config = uvicorn.Config(application, host="127.0.0.1", port=0, http=BoundedHttpProtocol, loop="uvloop", ws="none", lifespan="off")
    config.access_log, config.log_config = False, None
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


class Echo:
    """Answers with the headers and the size of the body that it was passed."""

    async def __call__(self, scope, receive, send):
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message.get("body", b"")), message.get("more_body")
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
        body = json.dumps({"headers": headers, "size": size}).encode()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def echo():
    with serving(Echo()) as port:
        yield port


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def reply_to(port, *pieces, pause=0.0):
    """Everything that the server sends to these pieces until it closes, or until one reply is whole."""
    with connect(port) as connection:
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        return read_reply(connection)


def read_reply(connection):
    data = b""
    with contextlib.suppress(OSError):
        while block := connection.recv(65_536):
            data += block
            head, end, body = data.partition(b"\r\n\r\n")
            lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if end and lengths and len(body) >= int(lengths[0]):
                break
    return data


def status(data):
    return int(data.split(b" ")[1]) if data else None


# Trailers

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n5\r\nhello\r\n0\r\n"
TRAILERS = b"Authorization: Bearer stolen\r\nOn-Behalf-Of: child\r\n\r\n"


@pytest.mark.parametrize("pieces", [[CHUNKED + TRAILERS], [CHUNKED, TRAILERS]], ids=["in one segment", "in two"])
def test_trailers_of_a_chunked_body_are_no_headers(echo, pieces):
    data = reply_to(echo, *pieces, pause=0.05)
    body = json.loads(data.partition(b"\r\n\r\n")[2])
    assert body["size"] == 5
    assert {name for name, _ in body["headers"]} == {"host", "transfer-encoding", "trailer"}


def test_the_request_after_one_with_trailers_has_its_own_headers(echo):
    with connect(echo) as connection:
        connection.sendall(CHUNKED + TRAILERS)
        read_reply(connection)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: y\r\nX-Mine: 1\r\n\r\n")
        body = json.loads(read_reply(connection).partition(b"\r\n\r\n")[2])
    assert body["headers"] == [["host", "y"], ["x-mine", "1"]]


# Heads


def test_a_head_of_usual_size_passes(echo):
    data = reply_to(echo, b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 30_000 + b"\r\n\r\n")
    assert status(data) == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(300)) + b"\r\n",
    ],
    ids=["one long header", "a long path", "many headers"],
)
def test_a_head_that_is_too_large_is_refused(echo, head):
    assert status(reply_to(echo, head)) == 431


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\nHost: x\r\n", CHUNKED], ids=["headers", "trailers"])
def test_endless_header_lines_close_the_connection(echo, begin):
    """64 MB of them, on one connection without a key."""
    sent = 0
    with connect(echo) as connection:
        connection.sendall(begin)
        line = b"X-Line: " + b"a" * 8000 + b"\r\n"
        with contextlib.suppress(OSError):
            while sent < 64_000_000:
                connection.sendall(line)
                sent += len(line)
    assert sent < 16_000_000


def test_an_endless_header_closes_the_connection(echo):
    sent = 0
    with connect(echo) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Line: ")
        with contextlib.suppress(OSError):
            while sent < 64_000_000:
                connection.sendall(b"a" * 65_536)
                sent += 65_536
    assert sent < 16_000_000


@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a line", "half a head"])
def test_a_connection_that_sends_no_whole_head_is_closed(monkeypatch, begin):
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    with serving(Echo()) as port, connect(port) as connection:
        connection.sendall(begin)
        began = time.monotonic()
        assert status(read_reply(connection)) == 408
        assert time.monotonic() - began < 5


def test_a_second_request_on_a_connection_has_a_time_limit_too(monkeypatch):
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    with serving(Echo()) as port, connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(read_reply(connection)) == 200
        time.sleep(0.5)
        connection.sendall(b"GET / HTTP/1.1\r\nHo")
        assert status(read_reply(connection)) == 408


def test_of_too_many_connections_without_a_head_the_oldest_are_closed(monkeypatch):
    monkeypatch.setattr(http_protocol, "MAX_WAITING_CONNECTIONS", 20)
    with serving(Echo()) as port:
        stalled = [connect(port) for _ in range(40)]
        time.sleep(0.2)
        assert status(reply_to(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")) == 200
        for connection in stalled[:20]:
            assert read_reply(connection) == b""
        for connection in stalled:
            connection.close()
    assert not BoundedHttpProtocol.waiting


# Bodies


def test_a_body_that_stops_arriving_gets_a_timeout(monkeypatch):
    monkeypatch.setattr(http_protocol, "BODY_IDLE_SECONDS", 0.3)
    with serving(Echo()) as port, connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        assert status(read_reply(connection)) == 408
    with serving(Echo()) as port, connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert status(read_reply(connection)) == 408


def test_a_body_that_arrives_too_slowly_gets_a_timeout(monkeypatch):
    monkeypatch.setattr(http_protocol, "BODY_IDLE_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 1.0)
    with serving(Echo()) as port, connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 8:
                connection.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < 5


def test_unfinished_large_bodies_leave_room_for_other_calls(monkeypatch):
    monkeypatch.setattr(request_body, "IN_MEMORY", 100_000)
    monkeypatch.setattr(request_body, "MAX_UNFINISHED", 3_000_000)
    begin = b"POST /v1/transactions/batch HTTP/1.1\r\nHost: testserver\r\nContent-Length: 2000000\r\n\r\n" + b" " * 1_000_000
    with serving(asgi.application) as port:
        unfinished = []
        for _ in range(6):
            connection = connect(port)
            connection.sendall(begin)
            unfinished.append(connection)
            time.sleep(0.1)
        assert request_body._Unfinished.bytes <= 3_100_000
        refused = [reply for reply in map(peek, unfinished) if reply]
        assert refused
        for reply in refused:
            assert status(reply) == 503
            assert json.loads(reply.partition(b"\r\n\r\n")[2])["statusCode"] == 503
        assert status(reply_to(port, b"GET /livez HTTP/1.1\r\nHost: testserver\r\n\r\n")) == 200
        for connection in unfinished:
            connection.close()
        until = time.monotonic() + PATIENCE
        while request_body._Unfinished.bytes and time.monotonic() < until:
            time.sleep(0.05)
    assert request_body._Unfinished.bytes == 0


def peek(connection):
    connection.settimeout(0.2)
    return read_reply(connection)


# Readers


@pytest.fixture
def endless(monkeypatch):
    """An application whose every reply but /livez is streamed without end; counts the replies that are under way."""

    class Endless:
        under_way = 0

        def __call__(self, environ, start_response):
            start_response("200 OK", [("content-type", "text/plain")])
            if environ["PATH_INFO"] == "/livez":
                return HttpResponse(b"alive")
            reply = StreamingHttpResponse(self.lines())
            reply.caller = environ.get("HTTP_AUTHORIZATION", "")
            return reply

        def lines(self):
            self.under_way += 1
            try:
                while True:
                    yield b"x" * 65_536
            finally:
                self.under_way -= 1

    application = Endless()
    monkeypatch.setattr(asgi, "wsgi_application", application)
    return application


def test_callers_who_do_not_read_delay_no_other_call_and_are_disconnected(monkeypatch, endless):
    monkeypatch.setattr(http_protocol, "SEND_SECONDS", 1.0)
    with serving(asgi.application) as port:
        slow = [connect(port) for _ in range(64)]
        for connection in slow:
            connection.sendall(b"GET /statement HTTP/1.1\r\nHost: testserver\r\nAuthorization: Bearer one\r\n\r\n")
        time.sleep(0.3)
        for _ in range(20):
            began = time.monotonic()
            assert status(reply_to(port, b"GET /livez HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\r\n")) == 200
            assert time.monotonic() - began < 2
        assert endless.under_way <= asgi._streams.threads_per_caller
        # Another caller's long reply comes meanwhile.
        with connect(port) as reader:
            reader.sendall(b"GET /statement HTTP/1.1\r\nHost: testserver\r\nAuthorization: Bearer two\r\n\r\n")
            received = 0
            while received < 1_000_000:
                received += len(reader.recv(65_536))
        for connection in slow:
            connection.close()
        until = time.monotonic() + PATIENCE
        while endless.under_way and time.monotonic() < until:
            time.sleep(0.05)
    assert endless.under_way == 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/v1/billing/wallet/statement", "application/json"), ("/credits/x", "application/json"), ("/admin/", "text/plain; charset=utf-8")],
)
def test_a_caller_who_does_not_read_is_soon_refused_more_long_replies(monkeypatch, endless, path, kind):
    """Two are under way and two wait; the next one is refused at once, and those that wait are after TURN_SECONDS."""
    monkeypatch.setattr(streamed_replies, "MAX_WAITING_STREAMS_OF_CALLER", 2)
    monkeypatch.setattr(streamed_replies, "TURN_SECONDS", 1.0)
    ask = f"GET {path} HTTP/1.1\r\nHost: testserver\r\nAuthorization: Bearer one\r\n\r\n".encode()
    with serving(asgi.application) as port, contextlib.ExitStack() as closing:
        slow = []
        for _ in range(asgi._streams.threads_per_caller + 3):
            slow.append(closing.enter_context(connect(port)))
            slow[-1].sendall(ask)
            time.sleep(0.1)
        began = time.monotonic()
        refused = [read_reply(connection) for connection in (slow[-1], *slow[-3:-1])]
        assert time.monotonic() - began < 2
        for reply in refused:
            head = reply.partition(b"\r\n\r\n")[0].lower().decode()
            assert status(reply) == 429
            assert f"content-type: {kind}" in head
            assert int(re.search(r"retry-after: (\d+)", head)[1]) in range(1, 10)
        # Others are served.
        with connect(port) as other:
            other.sendall(ask.replace(b"Bearer one", b"Bearer two"))
            assert other.recv(1000).startswith(b"HTTP/1.1 200")
    assert not asgi._streams._waiting


def test_a_caller_who_stops_reading_in_the_middle_is_disconnected(monkeypatch, endless):
    monkeypatch.setattr(http_protocol, "SEND_SECONDS", 0.5)
    with serving(asgi.application) as port, connect(port) as reader:
        reader.sendall(b"GET /statement HTTP/1.1\r\nHost: testserver\r\n\r\n")
        assert reader.recv(100_000)
        until = time.monotonic() + PATIENCE
        while endless.under_way and time.monotonic() < until:
            time.sleep(0.05)
    assert endless.under_way == 0


# What is packed small


def test_a_small_packed_body_of_half_a_million_arrays_is_refused_before_it_is_parsed(client, db):
    from tests.factories import IssuedKeyFactory

    arrays = "[" * 20 + "]" * 20
    body = ('{"amount":1,"type":"usage","reference_id":"1","metadata":{"a":[' + ",".join([arrays] * 24_000) + "]}}").encode()
    packed = gzip.compress(body)
    assert len(packed) < 3000
    headers = {"Authorization": f"Bearer {IssuedKeyFactory().token}", "Content-Encoding": "gzip"}
    for path, statuses in {"/v1/billing/transactions": {400, 422}, "/v1/transactions": {400}, "/credit-transactions": {400}}.items():
        send = {"path": path, "data": packed, "content_type": "application/json", "headers": headers}
        client.post(**send)
        began = time.process_time()
        assert client.post(**send).status_code in statuses
        assert time.process_time() - began < 0.2
