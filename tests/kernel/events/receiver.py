"""A receiver of webhooks on this machine: it verifies each request with the library that receivers use, and answers as a test says."""

import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

FOLDER = Path(__file__).parent
CERTIFICATE, KEY = FOLDER / "receiver.pem", FOLDER / "receiver.key"
NAME = "hooks.example.test"


@dataclass
class Answered:
    """How a request is answered. `drip`: so many seconds between the bytes of the body."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drip: float = 0.0


@dataclass
class Received:
    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)


class Receiver:
    """Takes requests until it is stopped. `secret`: where set, a request whose signature doesn't verify is answered 401."""

    def __init__(self, *, tls: bool = True, secret: str = "", answer: Callable[[Received], Answered] = lambda received: Answered()) -> None:
        self.received: list[Received] = []
        self.secret = secret
        self.answer = answer
        self.names: list[str] = []
        self.connections = 0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE, KEY)
            context.sni_callback = lambda sock, name, context: self.names.append(name)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://{NAME}:{self.port}/in?a=1" if tls else f"http://127.0.0.1:{self.port}/in"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def ids(self) -> list[str]:
        return [received.id for received in self.received]

    def _handler(receiver) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(http.server.BaseHTTPRequestHandler):
            # Keeps connections open, as receivers do.
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got = Received(time.monotonic(), {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.received.append(got)
                answered = receiver.answer(got)
                if receiver.secret:
                    try:
                        Webhook(receiver.secret).verify(body, got.headers)
                    except Exception:
                        answered = Answered(401)
                self.send_response(answered.status)
                for name, value in answered.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answered.body)))
                self.end_headers()
                self._write(answered)

            def _write(self, answered: Answered) -> None:
                try:
                    if not answered.drip:
                        self.wfile.write(answered.body)
                    for byte in answered.body if answered.drip else b"":
                        time.sleep(answered.drip)
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                except OSError:
                    pass  # The sender has had enough.

            def log_message(self, *args: object) -> None:
                pass

        return Handler
