"""What changes when the book grows: posting, reading a page, a balance, the back office, at 10,000 rows and at millions."""

import itertools
import json
from collections.abc import Iterator

import psycopg

from benchmarks.book import GRANTS, Book, create_book, figures_of, prove
from benchmarks.database import Database
from benchmarks.measure import Candidate, Comparison, Sample
from benchmarks.single_posts import pgbench

SMALL = 10_000
# Debits of a cent, spread over the grants in turns and over the last 90 days, each with its number and balance, ids in the order of time.
GROW = """
INSERT INTO credits_transaction (tenant_id, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason,
    invoice_id, billing_run_id, occurred_at, created_at, idempotency_key, facts_digest, actor, request_id)
SELECT account.tenant_id,
    encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM moment) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid,
    account.id, account.customer_id, 'DEBIT', 'debit', 0.01, account.last_entry_number + line.turn,
    account.balance - 0.01 * line.turn, 0, 'usage', '', '', moment, moment, 'seed-' || line.number, '\\x00', 'command:bench', ''
FROM (
    SELECT number, (number - 1) / %(grants)s + 1 AS turn, (number - 1) %% %(grants)s + 1 AS place,
        now() - interval '90 days' + (number::float8 / %(rows)s) * interval '90 days' AS moment
    FROM generate_series(1, %(rows)s) AS number
) line JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place FROM credits_grant) account USING (place)
ORDER BY line.number
"""
CARRY = """
UPDATE credits_grant account
SET balance = last.balance_after, last_entry_number = last.entry_number, last_entry_at = last.created_at
FROM (SELECT DISTINCT ON (grant_id) grant_id, balance_after, entry_number, created_at
      FROM credits_transaction ORDER BY grant_id, entry_number DESC) last
WHERE account.id = last.grant_id AND account.last_entry_number < last.entry_number
"""
# In process: what the application itself needs for a reply, the web server left out.
READ = """
import json, os, statistics, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.contrib.auth import get_user_model
from django.test import Client
names, account = json.loads(sys.argv[1]), sys.argv[2]
api = Client(headers={"authorization": f"Bearer {names['key']}", "on-behalf-of": names["tenant"]})
office = Client()
users = get_user_model().objects
office.force_login(users.filter(username="bench").first() or users.create_superuser("bench"))
page = "/credit-transactions?limit=100"
customer = api.get(f"/credits/{account}").json()["customerId"]
cursor = page
for _ in range(20):
    cursor = page + "&after=" + api.get(cursor).json()["pagination"]["after"]
paths = {
    "page of 100": (api, page), "page 21 of 100": (api, cursor), "page of one grant": (api, f"{page}&grantId={account}"),
    "balances of a customer": (api, f"/credits/{customer}/balances"),
    "admin list": (office, "/admin/credits/credittransaction/"), "admin dashboard": (office, "/admin/"),
}
answers = {}
for name, (client, path) in paths.items():
    times = []
    for number in range(int(sys.argv[3])):
        begun = time.perf_counter()
        status = client.get(path).status_code
        times.append((time.perf_counter() - begun) * 1000)
        assert status == 200, (name, status)
    answers[name] = statistics.median(times[1:])
print(json.dumps(answers))
"""
WAL = "SELECT wal_bytes::bigint, wal_fpi FROM pg_stat_wal"
READ_ROUNDS = 3
# At 10,000 rows a grant has two entries, so a page of one grant is another page there.
WANTED = {"page of 100": 1.2, "page 21 of 100": 1.2}


def grown(database: Database, name: str, rows: int) -> Book:
    """A book with so many debits in it."""
    book = create_book(database, name)
    with psycopg.connect(book.url, autocommit=True) as connection:
        # Seeded, not posted: without a look at each foreign key; the proof at the end looks at everything.
        connection.execute("SET synchronous_commit = off; SET session_replication_role = replica")
        connection.execute(psycopg.sql.SQL(GROW.replace("%(grants)s", str(GRANTS)).replace("%(rows)s", str(rows)).replace("%%", "%")))
        connection.execute(CARRY)
    database.settle(name)
    return book


def growth(database: Database, rows: int, seconds: int) -> Iterator[Comparison]:
    small, large = grown(database, "bench_small", SMALL), grown(database, "bench_large", rows)
    books = {f"{rows:,} rows": large, f"{SMALL:,} rows": small}
    written: dict[str, list[tuple[float, float]]] = {name: [] for name in books}
    yield Comparison(
        path=f"posting at {rows:,} rows, prepared statement, random accounts",
        unit="/s",
        candidates=[
            Candidate(name, lambda name=name, book=book: _posting(database, book, seconds, written[name])) for name, book in books.items()
        ],
        targets={f"{SMALL:,} rows": 0.9},
    )
    for place, (path, unit) in enumerate({"WAL of a posting": "bytes", "full-page images of a posting": "images"}.items()):
        rounds = {name: itertools.cycle(values) for name, values in written.items()}
        yield Comparison(
            path=f"{path} at {rows:,} rows",
            unit=unit,
            candidates=[Candidate(name, lambda name=name, place=place, rounds=rounds: Sample(next(rounds[name])[place])) for name in books],
            less_is_better=True,
        )
    answers: dict[str, list[dict[str, float]]] = {name: [] for name in books}
    for _ in range(READ_ROUNDS):
        for name, book in books.items():
            answers[name].append(_read(book))
    for path in answers[f"{rows:,} rows"][0]:
        rounds = {name: itertools.cycle(values) for name, values in answers.items()}
        yield Comparison(
            path=f"read at {rows:,} rows: {path}",
            unit="ms",
            candidates=[Candidate(name, lambda name=name, path=path, rounds=rounds: Sample(next(rounds[name])[path])) for name in books],
            targets={f"{SMALL:,} rows": WANTED[path]} if path in WANTED else {},
            less_is_better=True,
        )
    prove(small)
    prove(large)


def _posting(database: Database, book: Book, seconds: int, written: list[tuple[float, float]]) -> Sample:
    """The rate; and into `written`, how much of the write-ahead log each posting took: bytes, and images of whole pages among them."""
    with psycopg.connect(book.url, autocommit=True) as connection:
        before = connection.execute(WAL).fetchone() or (0, 0)
        sample = pgbench(database, book, book.accounts, seconds)
        after = connection.execute(WAL).fetchone() or (0, 0)
    posted = sample.rate * seconds
    written.append((float(after[0] - before[0]) / posted, float(after[1] - before[1]) / posted))
    return sample


def _read(book: Book, times: int = 15) -> dict[str, float]:
    account = book.accounts.read_text().split()[7]
    names = json.dumps({"key": book.key, "tenant": book.tenant})
    return figures_of(book, READ, names, account, str(times))
