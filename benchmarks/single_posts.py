"""One POST, one posting, each with its idempotency key: a debit of credits on random accounts and on a hot one, and the other ledgers'."""

import contextlib
import json
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from benchmarks import servers
from benchmarks.book import Book, create_book, lay_textbook, prove, prove_textbook
from benchmarks.database import VAR, Database
from benchmarks.load import Post, send
from benchmarks.measure import Candidate, Comparison, Sample

CREDITS, BILLING, METERING = "credits", "billing", "metering"
# ACCOUNT and KEY stand for themselves. Billing's entries all go to one wallet, and its key is in the body.
COST = {"fiatAmount": "0.0015", "fiatAssetSymbol": "USD", "isEstimate": True}
CALLS = {
    CREDITS: ("/credit-transactions", {"grantId": "ACCOUNT", "type": "DEBIT", "amount": "0.01", "reason": "usage"}),
    BILLING: ("/v1/billing/transactions", {"amount": 0.01, "type": "usage", "reference_id": "KEY", "agent_id": "ACCOUNT"}),
    METERING: ("/v1/transactions", {"serviceName": "service", "actionName": "complete", "resourceName": "model", "costs": [COST]}),
}
OURS, ONE_EACH, FASTAPI, TEXTBOOK, PGBENCH = "Countinghouse", "one statement each", "FastAPI + asyncpg", "textbook DRF", "pgbench"
BEFORE = "the commit before"
NOTES = {
    ONE_EACH: "Countinghouse with LEDGER_BATCHING=0",
    FASTAPI: "the same statement and reply; no log line for each request, no versions of the API, no roles of keys",
    TEXTBOOK: "its own tables: one unique key, no digest of facts, no append-only triggers, no tenants; its token costs a query",
    PGBENCH: "the same statement without HTTP, authentication and JSON; 16 clients",
}
# One posting as the service sends it; :account and :key are pgbench's.
PGBENCH_SCRIPT = """\\set account random(1, :accounts)
\\set key random(1, 9000000000000000000)
SELECT * FROM credits_post('{tenant}', json_build_array(json_build_object(
    'id', gen_random_uuid(), 'grant_id', (SELECT id FROM bench_account WHERE number = :account),
    'kind', 'debit', 'type', 'DEBIT', 'amount', '0.01', 'reason', 'usage', 'invoice_id', '', 'billing_run_id', '',
    'idempotency_key', '{prefix}' || :key, 'facts_digest', '\\x00', 'actor', 'command-pgbench', 'request_id', ''))::jsonb);
"""


@contextlib.contextmanager
def start_servers(database: Database, before: Path | None = None) -> Iterator["Servers"]:
    """All servers up, over fresh books; afterwards the books are proved.

    `before`: a checkout of an older commit; its server is then the only peer.
    """
    if before is not None:
        with start_servers_beside(database, before) as running:
            yield running
        return
    book = create_book(database, "bench_posts")
    peer = lay_textbook(database, "bench_textbook", book)
    peer_environment = {"PEER_DATABASE_URL": book.url, "PEER_TENANT": book.tenant, "PEER_KEY": book.key}
    with (
        servers.countinghouse(book.url) as ours,
        servers.countinghouse(book.url, LEDGER_BATCHING="0") as one_each,
        servers.fastapi(peer_environment) as fastapi,
        servers.textbook(peer) as textbook,
    ):
        urls = {OURS: ours, ONE_EACH: one_each, FASTAPI: fastapi, TEXTBOOK: textbook}
        yield Servers(database=database, book=book, urls=urls, token=peer["TOKEN"])
    prove(book)
    prove_textbook(database, "bench_textbook")


@contextlib.contextmanager
def start_servers_beside(database: Database, before: Path) -> Iterator["Servers"]:
    book, older = create_book(database, "bench_posts"), create_book(database, "bench_before", before)
    with servers.countinghouse(book.url) as ours, servers.countinghouse_of(before, older.url) as theirs:
        yield Servers(database=database, book=book, urls={OURS: ours, BEFORE: theirs}, token="", older=older)
    prove(book)
    prove(older)


class Servers:
    """The running candidates, each ready to be sent the same calls."""

    def __init__(self, *, database: Database, book: Book, urls: dict[str, str], token: str, older: Book | None = None) -> None:
        self.older = older
        self.database = database
        self.book = book
        self.urls = urls
        self.token = token

    def book_of(self, name: str) -> Book:
        return self.older if name == BEFORE and self.older is not None else self.book

    def accounts(self, name: str, *, hot: bool) -> Path:
        book = self.book_of(name)
        return book.hot_account if hot else book.accounts

    def candidates(
        self, names: tuple[str, ...], *, connections: int, seconds: int, hot: bool = False, ledger: str = CREDITS
    ) -> list[Candidate]:
        if self.older is not None:
            names = (OURS, BEFORE)
        return [
            Candidate(
                name=name,
                run=self._runner(name, ledger, accounts=self.accounts(name, hot=hot), connections=connections, seconds=seconds),
                says=NOTES.get(name, ""),
            )
            for name in names
        ]

    def _runner(self, name: str, ledger: str, *, accounts: Path, connections: int, seconds: int) -> Callable[[], Sample]:
        if name == PGBENCH:
            return lambda: pgbench(self.database, self.book, accounts, seconds)
        authorization = f"Token {self.token}" if name == TEXTBOOK else self.book_of(name).authorization
        path, body = CALLS[ledger]
        post = Post(url=self.urls[name], path=path, authorization=authorization, tenant=self.book_of(name).tenant, body=json.dumps(body))
        return lambda: send(post, accounts=accounts, connections=connections, seconds=seconds)


def pgbench(database: Database, book: Book, accounts: Path, seconds: int) -> Sample:
    """The statement alone, prepared, by 16 clients of the database."""
    grants = accounts.read_text().split()
    with psycopg.connect(book.url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_account")
        connection.execute("CREATE TABLE bench_account (number int PRIMARY KEY, id uuid)")
        connection.execute(
            "INSERT INTO bench_account SELECT number, id FROM unnest(%s::uuid[]) WITH ORDINALITY AS given(id, number)", [grants]
        )
    script = VAR / "bench.sql"
    script.write_text(PGBENCH_SCRIPT.format(tenant=book.tenant, prefix=secrets.token_hex(6)))
    command = [database.program("pgbench"), "-n", "-M", "prepared", "-c", "16", "-j", "1", "-T", str(seconds)]
    command += ["-D", f"accounts={len(grants)}", "-f", str(script), "-h", str(database.server.socket_folder()), "-U", "postgres"]
    done = subprocess.run([*command, book.name], capture_output=True, text=True, check=True)  # noqa: S603
    lines = [line for line in done.stdout.splitlines() if line.startswith("tps")]
    return Sample(rate=float(lines[0].split("=")[1].split()[0]))


def random_accounts(running: Servers, *, connections: int, seconds: int) -> Comparison:
    names = (OURS, ONE_EACH, FASTAPI, TEXTBOOK, PGBENCH) if connections == 16 else (OURS, ONE_EACH, FASTAPI)
    targets = {FASTAPI: 1.1, TEXTBOOK: 7.0} if connections == 16 else {FASTAPI: 1.5}
    return Comparison(
        path=f"single POST, random accounts, {connections} connections",
        unit="/s",
        candidates=running.candidates(names, connections=connections, seconds=seconds),
        targets=targets,
    )


def hot_account(running: Servers, *, connections: int, seconds: int) -> Comparison:
    disk = ", 2 ms fsync" if running.database.is_slow else ""
    names = (OURS, ONE_EACH, FASTAPI) if running.database.is_slow else (OURS, ONE_EACH, FASTAPI, TEXTBOOK)
    return Comparison(
        path=f"single POST, hot account, {connections} connections{disk}",
        unit="/s",
        candidates=running.candidates(names, hot=True, connections=connections, seconds=seconds),
        targets={FASTAPI: 7.0 if running.database.is_slow else 2.5},
    )


def other_ledger(running: Servers, ledger: str, *, connections: int, seconds: int) -> Comparison:
    what = {BILLING: "usage on the one wallet", METERING: "transaction with one cost"}[ledger]
    return Comparison(
        path=f"single POST of {ledger}, {what}, {connections} connections",
        unit="/s",
        candidates=running.candidates((OURS, ONE_EACH, FASTAPI), ledger=ledger, connections=connections, seconds=seconds),
    )


def few_callers_on_a_slow_disk(running: Servers, *, seconds: int) -> Comparison:
    return Comparison(
        path="single POST, random accounts, 4 connections, 2 ms fsync",
        unit="/s",
        candidates=running.candidates((OURS, ONE_EACH, FASTAPI), connections=4, seconds=seconds),
        targets={ONE_EACH: 0.95},
    )
