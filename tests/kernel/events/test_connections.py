"""Connections to receivers: used again while the receiver keeps them, never towards an address that wasn't vetted for the request."""

import contextlib
import http.client
import ipaddress
import select
import socket
import threading
import time

import pytest

from kernel.events.http import connections, url_safety
from kernel.events.http.connections import IdleConnections, Route, Timer
from kernel.events.http.requests import Request, send
from tests.kernel.events.receiver import CERTIFICATE, NAME, Answered, Receiver

LOCAL = ipaddress.ip_address("127.0.0.1")


@pytest.fixture(autouse=True)
def local_settings(settings, monkeypatch):
    settings.WEBHOOK_ALLOW_NETS, settings.WEBHOOK_CA_FILE = ["127.0.0.0/8"], str(CERTIFICATE)
    monkeypatch.setattr(url_safety, "_looked_up", lambda host, port: [LOCAL])
    connections.idle_connections.close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


def post(receiver, **headers):
    return send(Request(receiver.url, {"webhook-id": "evt_1", **headers}, b"{}"))


def test_one_connection_serves_many_requests_and_their_certificate_was_checked_once(receiver):
    assert [post(receiver).status_code for _ in range(5)] == [204] * 5
    assert (receiver.connections, receiver.names) == (1, [NAME])


@pytest.mark.parametrize(
    "answered",
    [Answered(204, {"Connection": "close"}), Answered(200, body=b"x" * 5000)],
    ids=["closed by the receiver", "not read to its end"],
)
def test_a_connection_that_cannot_be_used_again_is_closed(receiver, answered):
    receiver.answer = lambda received: answered
    assert [post(receiver).error for _ in range(2)] == ["", ""]
    assert receiver.connections == 2


def test_every_request_is_vetted_also_where_a_connection_is_open(receiver, settings, monkeypatch):
    assert post(receiver).status_code == 204
    monkeypatch.setattr(url_safety, "_looked_up", lambda host, port: [LOCAL, ipaddress.ip_address("10.0.0.1")])
    assert "not public" in post(receiver).error
    # Another address of the same name needs a connection of its own.
    monkeypatch.setattr(url_safety, "_looked_up", lambda host, port: [ipaddress.ip_address("127.0.0.2")])
    assert post(receiver).status_code is None
    settings.WEBHOOK_ALLOW_NETS = []
    monkeypatch.setattr(url_safety, "_looked_up", lambda host, port: [LOCAL])
    assert "not public" in post(receiver).error
    assert (len(receiver.received), receiver.connections) == (1, 1)


def test_other_trusted_certificates_need_another_connection(receiver, settings):
    assert post(receiver).status_code == 204
    settings.WEBHOOK_CA_FILE = ""
    assert "certificate verify failed" in post(receiver).error


def test_a_request_on_a_connection_that_the_receiver_ended_is_sent_on_a_new_one(receiver, monkeypatch):
    assert post(receiver).status_code == 204
    # Ended in the moment between the look and the request.
    monkeypatch.setattr(connections.HTTPConnection, "is_connected", True, raising=False)
    [(_, _, connection)] = connections.idle_connections._idle
    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
    assert post(receiver).status_code == 204
    assert (len(receiver.received), receiver.connections) == (2, 2)


class FakeConnection:
    is_connected, is_closed = True, False

    def close(self):
        self.is_closed = True


def test_idle_connections_have_a_bound_and_an_age(monkeypatch):
    monkeypatch.setattr(connections, "MAX_IDLE", 2)
    now = [100.0]
    idle = IdleConnections(clock=lambda: now[0])
    route, other = (Route("https", name, 443, "192.0.2.1", "") for name in ("a.test", "b.test"))
    first, second, third = FakeConnection(), FakeConnection(), FakeConnection()
    for connection in (first, second, third):
        idle.put(route, connection)
    assert (first.is_closed, second.is_closed) == (True, False)
    assert idle.take(other) is None
    assert idle.take(route) is third
    now[0] += connections.IDLE_SECONDS
    assert idle.take(route) is None
    assert second.is_closed


def test_the_timer_calls_in_the_order_of_time_and_not_what_was_cancelled():
    timer, called, done = Timer(), [], threading.Event()
    now = time.monotonic()
    timer.call_at(now + 0.2, lambda: (called.append("later"), done.set()))
    timer.call_at(now + 0.05, lambda: called.append("sooner"))
    cancelled = timer.call_at(now + 0.1, lambda: called.append("cancelled"))
    timer.cancel(cancelled)
    assert done.wait(5)
    timer.cancel(cancelled)
    assert called == ["sooner", "later"]
    assert (timer._moments, timer._functions) == ([], {})


class Proxy:
    """A CONNECT proxy: `asked` are the targets, all of which it tunnels to the address that it is given; it refuses one that is None."""

    def __init__(self, address):
        self.asked, self.address = [], address
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.tunnel, args=[self.server.accept()[0]], daemon=True).start()

    def tunnel(self, client):
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(1000)
            self.asked.append(head.split(b"\r\n")[0].decode())
            if self.address is None:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection(self.address) as target:
                pair = {client: target, target: client}
                while True:
                    for ready in select.select(list(pair), [], [])[0]:
                        if not (data := ready.recv(65536)):
                            return
                        pair[ready].sendall(data)

    def stop(self):
        self.server.close()


@pytest.fixture
def proxied(receiver, settings, monkeypatch):
    """Makes a proxy that everything is sent through; the name is looked up by nobody else."""
    made = []

    def proxied(address=("127.0.0.1", receiver.port)):
        made.append(Proxy(address))
        settings.WEBHOOK_EGRESS_PROXY, settings.WEBHOOK_ALLOW_NETS = made[-1].url, []
        monkeypatch.setattr(url_safety, "_looked_up", lambda host, port: pytest.fail("the proxy looks names up"))
        return made[-1]

    yield proxied
    for proxy in made:
        proxy.stop()


def test_everything_goes_through_the_egress_proxy_which_looks_the_name_up(receiver, proxied):
    proxy = proxied()
    answers = [post(receiver) for _ in range(2)]
    assert [(answer.status_code, answer.error, answer.ip) for answer in answers] == [(204, "", "")] * 2
    assert [asked.rpartition(" ")[0] for asked in proxy.asked] == [f"CONNECT {NAME}:{receiver.port}"]
    # The receiver's certificate is checked through the tunnel, by its own name.
    assert receiver.names == [NAME]
    assert [received.headers["host"] for received in receiver.received] == [f"{NAME}:{receiver.port}"] * 2


def test_a_certificate_of_another_name_is_refused_behind_the_proxy_too(receiver, proxied):
    proxied()
    answer = send(Request(receiver.url.replace(NAME, "other.example.test"), {}, b"{}"))
    assert "doesn't match" in answer.error
    assert receiver.received == []


def test_what_the_proxy_refuses_and_a_proxy_that_is_away_are_failures_of_the_attempt(receiver, proxied, settings):
    proxied(None)
    assert "403" in post(receiver).error
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings.WEBHOOK_EGRESS_PROXY = f"http://127.0.0.1:{port}"
    assert "refused" in post(receiver).error.lower()
    assert receiver.received == []


def test_an_answer_that_is_no_http_is_a_failure(settings, monkeypatch):
    settings.WEBHOOK_ALLOW_HTTP = True
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer():
            client = server.accept()[0]
            client.recv(10_000)
            client.sendall(b"SSH-2.0-OpenSSH_9.0\r\n\r\n")
            client.close()

        threading.Thread(target=answer, daemon=True).start()
        answered = send(Request(f"http://127.0.0.1:{port}/", {}, b"{}"))
    assert answered.status_code is None
    assert answered.error.startswith(http.client.BadStatusLine.__name__)
