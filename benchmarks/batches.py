"""A thousand metered transactions in one POST beside COPY of the very same rows into the very same tables.

Two forms: transactions with two estimated costs, answered in full; and finished calls, each with a reply of a model that is priced by its
public price, answered with ids and outcomes only (`Prefer: return=minimal`).
"""

import http.client
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks import servers
from benchmarks.book import Book, WrongBook, create_book, prove
from benchmarks.database import Database
from benchmarks.measure import Candidate, Comparison, Sample

SIZE = 1000
BATCHES = 12
CLIENTS = 2
PATH = "/v1/transactions/batch"
# In this order each row finds what it refers to.
TABLES = (
    *("metering_service", "metering_agent", "metering_trace", "metering_transaction", "metering_statuschange", "metering_fact"),
    "metering_cost",
)
OURS, COPY = "Countinghouse", r"\copy, one process"
NOTES = "It parses no JSON, checks only the tables' own constraints, and makes no rollups and no replies. The rows come with ids and times."


@dataclass
class Servers:
    """The server over one book, and beside it a book of the same tables that only COPY fills. `item`: the members of one of a batch's
    items, from its number; `headers`: those of every call."""

    book: Book
    copied: Book
    url: str
    item: Callable[[int], dict[str, Any]]
    headers: Mapping[str, str]
    is_settled: bool = False

    def post(self) -> Sample:
        """BATCHES calls over CLIENTS connections."""
        bodies = [_body(self.item) for _ in range(BATCHES)]
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
        headers = {"Content-Type": "application/json", "Authorization": self.book.authorization, **self.headers}
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


def _body(item: Callable[[int], dict[str, Any]]) -> bytes:
    prefix = secrets.token_hex(8)
    names = {"actionName": "complete", "resourceName": "model"}
    items = [
        {"serviceName": f"service {number % 20}", **names, "idempotencyKey": f"{prefix}-{number}", **item(number)} for number in range(SIZE)
    ]
    return json.dumps(items).encode()


def _with_two_costs(number: int) -> dict[str, Any]:
    return {"costs": [{"fiatAmount": amount, "fiatAssetSymbol": "USD", "isEstimate": True} for amount in ("0.0015", "0.00025")]}


def _finished(number: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 1000 + number, "completion_tokens": 300, "total_tokens": 1300 + number}
    return {"outcome": "success", "responseFacts": {"source": "openai", "version": "v1", "facts": {"model": "gpt-4o", "usage": usage}}}


def batches(database: Database) -> Iterator[Comparison]:
    """The comparison; afterwards both books must hold the same."""
    book, copied = create_book(database, "bench_batches"), create_book(database, "bench_copied")
    with psycopg.connect(book.url, autocommit=True) as source, psycopg.connect(copied.url, autocommit=True) as target:
        row = source.execute("SELECT to_jsonb(tenant) FROM tenants_tenant tenant WHERE slug = 'bench'").fetchone()
        target.execute(
            'INSERT INTO tenants_tenant SELECT (jsonb_populate_record(NULL::tenants_tenant, %s::jsonb || \'{"slug": "copied"}\'::jsonb)).*',
            [json.dumps(row[0]) if row else None],
        )
    with servers.countinghouse(book.url) as url:
        for name, item, headers in (
            ("metered transactions with two costs each", _with_two_costs, {}),
            ("finished calls with their facts, return=minimal", _finished, {"Prefer": "return=minimal"}),
        ):
            running = Servers(book=book, copied=copied, url=url, item=item, headers=headers)
            yield Comparison(
                path=f"batch of 1,000 {name}, over HTTP",
                unit="transactions/s",
                candidates=[Candidate(OURS, running.post), Candidate(COPY, running.copy, says=NOTES)],
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
