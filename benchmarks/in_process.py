"""A debit by a call in Python, without HTTP, beside the packages that keep wallets and books for Django."""

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.book import Book, create_book, prove
from benchmarks.database import Database
from benchmarks.environment import peers_python
from benchmarks.measure import Candidate, Comparison, Sample
from benchmarks.servers import PEERS
from config.local.folders import ROOT

THREADS = 4
OURS = """
import os, random, secrets, sys, threading, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from decimal import Decimal
from uuid import UUID
from django.db import connection
from credits import services
tenant, path, seconds, threads = UUID(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
grants = [UUID(line) for line in open(path).read().split()[:200]]
counts = [0] * threads
def work(place):
    while time.monotonic() < end:
        services.record_transaction(tenant_id=tenant, actor="command:bench", request_id="", idempotency_key=secrets.token_hex(12),
            grant_id=random.choice(grants), type="DEBIT", amount=Decimal("0.01"))
        counts[place] += 1
    connection.close()
end = time.monotonic() + seconds
crowd = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
for thread in crowd: thread.start()
for thread in crowd: thread.join()
print(sum(counts) / seconds)
"""
NOTES = {
    "dj-wallet": "a row lock, a check of the funds, one row and the balance; no idempotency, no chain of balances",
    "django-hordak": "double entry with two legs that the database balances; no check of the funds, no idempotency, no stored balance",
}
MODULES = {"dj-wallet": "dj_wallet", "django-hordak": "hordak"}


def in_process(database: Database, seconds: int) -> Iterator[Comparison]:
    book = create_book(database, "bench_process")
    for module in MODULES.values():
        database.fresh(f"bench_{module}")
    yield Comparison(
        path=f"a debit in process, {THREADS} threads",
        unit="/s",
        candidates=[
            Candidate("Countinghouse", lambda: _ours(book, seconds)),
            *(Candidate(name, lambda name=name: _package(database, name, seconds), says=NOTES[name]) for name in MODULES),
        ],
    )
    prove(book)


def _ours(book: Book, seconds: int) -> Sample:
    command = [sys.executable, "-c", OURS, book.tenant, str(book.accounts), str(seconds), str(THREADS)]
    environment = os.environ | {"DATABASE_URL": book.url, "ENVIRONMENT": "local"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    return Sample(rate=float(done.stdout.splitlines()[-1]))


def _package(database: Database, name: str, seconds: int) -> Sample:
    module = MODULES[name]
    command = [str(peers_python()), "packages.py", module, f"bench_{module}", str(database.server.socket_folder())]
    done = subprocess.run(  # noqa: S603
        [*command, str(seconds), str(THREADS)], cwd=PEERS, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    return Sample(rate=float(done.stdout.splitlines()[-1]))
