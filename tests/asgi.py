"""An ASGI server in a test's hands: it passes an application what uvicorn would pass it, and keeps what the application says."""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import uvloop

from kernel.ledger import posting

Header = tuple[bytes, bytes]


class Call:
    """One request and what came back. `pieces`: its body, a message each.

    The caller may go away: with `is_cut_off` after his last piece, which then wasn't the end of the body; with `reads_at_most` after so
    many pieces of the reply.
    """

    def __init__(
        self,
        method: str,
        target: str | bytes,
        *,
        headers: Iterable[tuple[str, str]] = (),
        pieces: Iterable[bytes] = (b"",),
        is_cut_off: bool = False,
        reads_at_most: int | None = None,
    ) -> None:
        raw_path, _, query = (target if isinstance(target, bytes) else target.encode("ascii")).partition(b"?")
        sent = [("Host", "testserver"), *headers]
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent],
            "client": ("127.0.0.1", 54321),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        self.coming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        self.coming[-1]["more_body"] = is_cut_off
        self.reads_at_most = reads_at_most
        self.received = 0
        self.status: int | None = None
        self.headers: list[Header] = []
        self.pieces: list[bytes] = []
        self.is_complete = False
        self._gone = asyncio.Event()
        if is_cut_off:
            self._gone.set()

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        if self.coming:
            return self.coming.pop(0)
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Fails, as a server does, for a message out of its turn."""
        if message["type"] == "http.response.start":
            assert self.status is None
            self.status, self.headers = message["status"], message["headers"]
            assert all(name == name.lower() and isinstance(value, bytes) for name, value in self.headers)
            return
        assert message["type"] == "http.response.body"
        assert self.status is not None
        assert not self.is_complete
        # A server sends no body to HEAD, whatever it is given.
        self.pieces += [message["body"]] if self.scope["method"] != "HEAD" else []
        self.is_complete = not message.get("more_body", False)
        if self.is_complete or len(self.pieces) == self.reads_at_most:
            self._gone.set()


class Server:
    """Answers calls on one event loop, of the kind that serves."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def answer(self, call: Call) -> Call:
        self.answer_all(call)
        return call

    def answer_all(self, *calls: Call) -> None:
        """All at the same time, begun in this order. Raises what the application raises."""

        async def all_of_them() -> None:
            await asyncio.gather(*(self.application(call.scope, call.receive, call.send) for call in calls))

        self.runner.run(all_of_them())

    def close(self) -> None:
        self.runner.run(posting.close_loop_pools())
        self.runner.close()
