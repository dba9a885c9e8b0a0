"""A metered call that is paid, over HTTP: our three calls of a payment beside those that a user without payments makes by hand.

Ours: `reauthorize` with the challenge of a resource, `settle` by the resource's server, `complete`. By hand: a hold on the customer's
credits, its capture, `complete`. The transactions are created beforehand.
"""

import base64
import http.client
import itertools
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from benchmarks import servers
from benchmarks.book import GRANTS, Book, create_book, prove
from benchmarks.database import Database
from benchmarks.measure import Candidate, Comparison, Sample
from config.local.folders import ROOT

CLIENTS = 16
# Transactions that are created for a round; a round that uses them up ends early.
PREPARED = 6000
PREPARED_AT_ONCE = 1000
PAY_TO = "shop.example"
OPTION = {
    "scheme": "upto",
    "network": "countinghouse:main",
    "asset": "USD",
    "amount": "0.002403",
    "payTo": PAY_TO,
    "maxTimeoutSeconds": 300,
}
RESOURCE = {"url": "https://shop.example/search"}
OURS, BY_HAND = "reauthorize, settle, complete", "hold, capture, complete"
NOTES = "Only the customer's credit moves: without rules, a row of a cost, a token or a payee."

Call = Callable[..., dict[str, Any]]
Pay = Callable[[Call, str, str], None]


@dataclass
class Servers:
    """The server, and the headers of its caller, who is the payee too."""

    book: Book
    url: str
    numbers: Iterator[int]

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Authorization": self.book.authorization, "On-Behalf-Of": self.book.tenant}

    def round(self, pay: Pay, seconds: int) -> Sample:
        """Payments a second of CLIENTS callers, each with a connection."""
        prepared = [self._prepare() for _ in range(PREPARED // PREPARED_AT_ONCE)]
        waiting = iter([one for created in prepared for one in created])
        lock, done, failed = threading.Lock(), [0], [0]
        until = time.perf_counter() + seconds

        def work() -> None:
            connection = self._connect()
            while time.perf_counter() < until:
                with lock:
                    transaction, customer = next(waiting, ("", ""))
                if not transaction:
                    break
                try:
                    pay(lambda *arguments, **more: self._call(connection, *arguments, **more), transaction, customer)
                except RuntimeError:
                    failed[0] += 1
                done[0] += 1
            connection.close()

        begun = time.perf_counter()
        threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - begun
        return Sample(rate=(done[0] - failed[0]) / taken, errors=failed[0] / max(done[0], 1))

    def _prepare(self) -> list[tuple[str, str]]:
        """New transactions, each with its customer."""
        customers = [f"customer {next(self.numbers) % GRANTS}" for _ in range(PREPARED_AT_ONCE)]
        names = {"serviceName": "service", "actionName": "search", "resourceName": "page"}
        items = [names | {"customerId": customer, "idempotencyKey": secrets.token_hex(12)} for customer in customers]
        connection = self._connect()
        reply = self._call(connection, "/v1/transactions/batch", items, Prefer="return=minimal")
        connection.close()
        return [(item["id"], customer) for item, customer in zip(reply["data"], customers, strict=True)]

    def _connect(self) -> http.client.HTTPConnection:
        address = urlsplit(self.url)
        return http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)

    def _call(self, connection: http.client.HTTPConnection, path: str, body: Any, **headers: str) -> dict[str, Any]:
        connection.request("POST", path, json.dumps(body), self.headers | headers)
        reply = connection.getresponse()
        answer: dict[str, Any] = json.loads(reply.read())
        if reply.status not in {200, 201} or answer.get("success") is False:
            raise RuntimeError(f"{path}: {reply.status} {answer}")
        return answer


def _by_payment(call: Call, transaction: str, customer: str) -> None:
    challenge = {"x402Version": 2, "resource": RESOURCE, "accepts": [OPTION]}
    payment = call(f"/v1/transactions/{transaction}/reauthorize", {"x402": challenge})["payment"]
    settled: Mapping[str, Any] = {
        "x402Version": 2,
        "paymentPayload": payment["authorizationPayload"],
        "paymentRequirements": OPTION | {"amount": "0.0001"},
    }
    call("/v1/x402/settle", settled)
    call(f"/v1/transactions/{transaction}/complete", {"outcome": "success"})


def _by_hand(call: Call, transaction: str, customer: str) -> None:
    holds = f"/credits/{quote(customer)}/holds"
    until = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
    hold = call(holds, {"amount": OPTION["amount"], "currency": "USD", "expiresAt": until}, **{"Idempotency-Key": f"hold {transaction}"})
    call(f"{holds}/{hold['id']}/capture", {"amount": "0.0001"})
    call(f"/v1/transactions/{transaction}/complete", {"outcome": "success"})


def payments(database: Database, seconds: int) -> Iterator[Comparison]:
    book = create_book(database, "bench_paying")
    environment = os.environ | {"DATABASE_URL": book.url, "ENVIRONMENT": "local"}
    subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", "set_payee", "bench", PAY_TO], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    with servers.countinghouse(book.url, PAYMENT_TOKEN_KEYS=f"bench:{base64.b64encode(secrets.token_bytes(32)).decode()}") as url:
        running = Servers(book=book, url=url, numbers=itertools.count())
        yield Comparison(
            path=f"a paid call over HTTP, {CLIENTS} connections",
            unit="paid calls/s",
            candidates=[
                Candidate(OURS, lambda: running.round(_by_payment, seconds)),
                Candidate(BY_HAND, lambda: running.round(_by_hand, seconds), says=NOTES),
            ],
        )
    prove(book)
