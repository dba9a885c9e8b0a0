"""A thousand metered transactions in one POST, each with two costs, beside COPY of the very same rows into the very same tables."""

import http.client
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks import servers
from benchmarks.book import Book, WrongBook, lay, prove
from benchmarks.database import Database
from benchmarks.measure import Candidate, Comparison, Sample

SIZE = 1000
BATCHES = 12
CLIENTS = 2
PATH = "/v1/transactions/batch"
# In this order each row finds what it refers to.
TABLES = ("metering_service", "metering_agent", "metering_trace", "metering_transaction", "metering_statuschange", "metering_cost")
OURS, COPY = "Countinghouse", r"\copy, one process"
SAYS = "no parsing of JSON, no checks but the tables' own constraints, no rollups, no replies; the rows come ready with ids and times"


@dataclass
class Stand:
    """The server over one book, and beside it a book of the same tables that only COPY fills."""

    book: Book
    copied: Book
    url: str
    is_settled: bool = False

    def post(self) -> Sample:
        """BATCHES calls over CLIENTS connections."""
        bodies = [_body() for _ in range(BATCHES)]
        answers: list[int] = []
        queue = iter(bodies)
        lock = threading.Lock()
        threads = [threading.Thread(target=self._client, args=(queue, lock, answers)) for _ in range(CLIENTS)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - begun
        sent = BATCHES * SIZE
        return Sample(rate=sum(answers) / taken, errors=1 - sum(answers) / sent)

    def _client(self, bodies: Iterator[bytes], lock: threading.Lock, answers: list[int]) -> None:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
        headers = {"Content-Type": "application/json", "Authorization": self.book.authorization}
        while True:
            with lock:
                body = next(bodies, None)
            if body is None:
                break
            connection.request("POST", PATH, body=body, headers=headers)
            reply = connection.getresponse()
            answers.append(reply.read().count(b'"status":201'))
        connection.close()

    def copy(self) -> Sample:
        """What was posted since the last time, taken out and copied in: only the latter is timed."""
        with psycopg.connect(self.book.url, autocommit=True) as source, psycopg.connect(self.copied.url) as target:
            rows = {table: self._new_rows(source, target, table) for table in TABLES}
            begun = time.perf_counter()
            for table, data in rows.items():
                with target.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    copy.write(data)
            target.commit()
            taken = time.perf_counter() - begun
            if not self.is_settled:
                # As it is from the second minute on: until then the planner knows no sizes.
                source.execute("ANALYZE")
                target.execute("ANALYZE")
                target.commit()
                self.is_settled = True
        return Sample(rate=rows["metering_transaction"].count(b"\n") / taken)

    def _new_rows(self, source: Any, target: Any, table: str) -> bytes:
        known = target.execute(f"SELECT coalesce(max(id::text), '') FROM {table}").fetchone()[0]  # noqa: S608 - named above
        query = f"SELECT * FROM {table} WHERE id::text > '{known}' ORDER BY id"  # noqa: S608 - named above
        with source.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            return b"".join(bytes(block) for block in copy)


def _body() -> bytes:
    prefix = secrets.token_hex(8)
    costs = [{"fiatAmount": amount, "fiatAssetSymbol": "USD", "isEstimate": True} for amount in ("0.0015", "0.00025")]
    items = [
        {
            "serviceName": f"service {number % 20}",
            "actionName": "complete",
            "resourceName": "model",
            "idempotencyKey": f"{prefix}-{number}",
            "costs": costs,
        }
        for number in range(SIZE)
    ]
    return json.dumps(items).encode()


def batches(database: Database) -> Iterator[Comparison]:
    """The comparison; afterwards both books must hold the same."""
    book, copied = lay(database, "bench_batches"), lay(database, "bench_copied")
    with psycopg.connect(book.url, autocommit=True) as source, psycopg.connect(copied.url, autocommit=True) as target:
        row = source.execute("SELECT to_jsonb(tenant) FROM tenants_tenant tenant WHERE slug = 'bench'").fetchone()
        target.execute(
            'INSERT INTO tenants_tenant SELECT (jsonb_populate_record(NULL::tenants_tenant, %s::jsonb || \'{"slug": "copied"}\'::jsonb)).*',
            [json.dumps(row[0]) if row else None],
        )
    with servers.countinghouse(book.url) as url:
        stand = Stand(book=book, copied=copied, url=url)
        yield Comparison(
            path="batch of 1,000 metered transactions with two costs each, over HTTP",
            unit="transactions/s",
            candidates=[Candidate(OURS, stand.post), Candidate(COPY, stand.copy, says=SAYS)],
            targets={COPY: 0.85},
        )
    prove(book)
    _prove_equal(book, copied)


def _prove_equal(book: Book, copied: Book) -> None:
    """Raises WrongBook unless both books hold the same transactions and costs."""
    query = "SELECT (SELECT count(*) FROM metering_transaction), (SELECT sum(fiat_amount) FROM metering_cost)"
    sums = []
    for url in (book.url, copied.url):
        with psycopg.connect(url, autocommit=True) as connection:
            sums.append(connection.execute(query).fetchone())
    if sums[0] != sums[1] or not sums[0][0]:
        raise WrongBook(f"posted {sums[0]}, copied {sums[1]}")
