"""A database with a tenant, its key and its grants, created by the product's own commands and services, and the proof at the end."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psycopg

from benchmarks.database import VAR, Database
from benchmarks.environment import peers_python
from benchmarks.servers import PEERS
from config.local.folders import ROOT

GRANTS = 10_000
ENOUGH = 10**12
LAY = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from decimal import Decimal
from django.core.management import call_command
call_command("migrate", verbosity=0)
from credits.services.grants import make_opening, create_grants
from kernel.tenants import services as tenants
from kernel.tenants.scopes import all_scopes
tenant = tenants.create_tenant(actor="command:bench", name="Bench", slug="bench")
key = tenants.create_api_key(tenant=tenant, name="bench", actor="command:bench", scopes=all_scopes(), expires_at=None)
context = {"tenant_id": tenant.id, "actor": "command:bench", "request_id": ""}
names = ("customer_id", "name", "unit_type", "currency", "metric_id", "amount", "cost_of_credit", "effective_date", "expiry_date",
    "category", "priority")
ids = []
for start in range(0, GRANTS, 1000):
    facts = [dict(zip(names, (f"customer {number}", "bench", "CURRENCY", "USD", None, Decimal(ENOUGH), None, None, None, "paid", 50)))
        for number in range(start, start + 1000)]
    ids += [str(posted.row.id) for posted in create_grants([make_opening(context, facts=fact) for fact in facts], tenant_id=tenant.id)]
print(json.dumps({"tenant": str(tenant.id), "key": key.token, "grants": ids}))
"""
# What is in the book must be what the accounts say: balances, numbers without gaps, every balance_after the sum so far; of metering, what
# the sums of the days and of the hours say.
PROOFS = {
    "credits": """
        SELECT count(*) FROM (
            SELECT account.id FROM credits_grant account JOIN credits_transaction entry
                ON entry.tenant_id = account.tenant_id AND entry.grant_id = account.id
            GROUP BY account.id, account.balance, account.last_entry_number
            HAVING sum(CASE entry.type WHEN 'CREDIT' THEN entry.amount ELSE -entry.amount END) <> account.balance
                OR count(*) <> account.last_entry_number OR max(entry.entry_number) <> account.last_entry_number
            UNION ALL
            SELECT id FROM (
                SELECT grant_id AS id, balance_after, sum(CASE type WHEN 'CREDIT' THEN amount ELSE -amount END)
                    OVER (PARTITION BY tenant_id, grant_id ORDER BY entry_number) AS sum_so_far
                FROM credits_transaction
            ) chain WHERE balance_after <> sum_so_far
        ) wrong""",
    "billing": """
        SELECT count(*) FROM (
            SELECT wallet.id FROM billing_wallet wallet JOIN billing_transaction entry
                ON entry.tenant_id = wallet.tenant_id AND entry.wallet_id = wallet.id
            GROUP BY wallet.id, wallet.balance, wallet.last_entry_number
            HAVING sum(entry.effect) <> wallet.balance OR count(*) <> wallet.last_entry_number
            UNION ALL
            SELECT wallet_id FROM (
                SELECT wallet_id, balance_after, sum(effect) OVER (PARTITION BY tenant_id, wallet_id ORDER BY entry_number) AS sum_so_far
                FROM billing_transaction
            ) chain WHERE balance_after <> sum_so_far
        ) wrong""",
    "metering": """
        SELECT count(*) FROM (
            SELECT (SELECT count(*) FROM metering_transaction) AS transactions,
                (SELECT coalesce(sum(fiat_amount), 0) FROM metering_cost WHERE is_active) AS costs
        ) recorded CROSS JOIN (
            SELECT coalesce(sum(transactions), 0) AS transactions, coalesce(sum(amount), 0) AS costs
            FROM (VALUES ('day'), ('hour')) grain (name) LEFT JOIN metering_rollup rollup ON rollup.grain = grain.name GROUP BY grain.name
        ) summed WHERE (summed.transactions, summed.costs) <> (recorded.transactions, recorded.costs)""",
}


class WrongBook(Exception):
    """A run ended with a book that doesn't add up: its figures are worth nothing."""


@dataclass(frozen=True)
class Book:
    """One database that a benchmark posts to."""

    name: str
    url: str
    tenant: str
    key: str
    accounts: Path
    hot_account: Path

    @property
    def authorization(self) -> str:
        return f"Bearer {self.key}"


def create_book(database: Database, name: str, checkout: Path = ROOT) -> Book:
    """A fresh database with the tables of `checkout` (this one, or an older one to compare with), one tenant and its grants."""
    url = database.fresh(name)
    program = f"GRANTS = {GRANTS}\nENOUGH = {ENOUGH}\n{LAY if checkout == ROOT else read_lay(checkout)}"
    environment = os.environ | {"DATABASE_URL": url, "ENVIRONMENT": "local"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    created = json.loads(done.stdout.splitlines()[-1])
    accounts, hot = VAR / f"{name}.accounts", VAR / f"{name}.hot"
    accounts.write_text("\n".join(created["grants"]) + "\n")
    hot.write_text(created["grants"][0] + "\n")
    database.settle(name)
    return Book(name=name, url=url, tenant=created["tenant"], key=created["key"], accounts=accounts, hot_account=hot)


def read_lay(checkout: Path) -> str:
    """The program that fills a database in another checkout: its services have names of their own."""
    program = "from benchmarks.book import LAY; print(LAY)"
    done = subprocess.run([sys.executable, "-c", program], cwd=checkout, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return done.stdout


def lay_textbook(database: Database, name: str, like: Book) -> dict[str, str]:
    """The textbook peer's own tables with the same grants; returns its environment, and its token under TOKEN."""
    database.fresh(name)
    environment = {"PEER_DATABASE": name, "PEER_HOST": str(database.server.socket_folder())}
    done = subprocess.run(  # noqa: S603
        [str(peers_python()), "-m", "textbook.create_book", str(like.accounts)],
        cwd=PEERS,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    database.settle(name)
    return environment | {"TOKEN": done.stdout.strip()}


def figures_of(book: Book, program: str, *arguments: str) -> dict[str, float]:
    """What a program prints as JSON on its last line: it runs in this checkout, over the book's database."""
    environment = os.environ | {"DATABASE_URL": book.url, "ENVIRONMENT": "local", "LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return dict(json.loads(done.stdout.splitlines()[-1]))


def prove(book: Book) -> dict[str, int]:
    """Recompute every balance from the entries; returns how many entries were proved. Raises WrongBook."""
    with psycopg.connect(book.url, autocommit=True) as connection:
        for ledger, proof in PROOFS.items():
            (wrong,) = connection.execute(proof).fetchone() or (None,)
            if wrong != 0:
                raise WrongBook(f"{ledger}: {wrong} accounts or entries of {book.name} don't add up")
        counts = {}
        for table in ("credits_transaction", "billing_transaction"):
            (counts[table],) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)  # noqa: S608 - named above
    return counts


def prove_textbook(database: Database, name: str) -> None:
    """The peer's book must add up as well, or it did another job. Raises WrongBook."""
    with psycopg.connect(database.url(name), autocommit=True) as connection:
        row = connection.execute(
            """SELECT count(*) FROM textbook_grant account LEFT JOIN LATERAL (
                   SELECT sum(CASE entry.type WHEN 'CREDIT' THEN entry.amount ELSE -entry.amount END) AS moved
                   FROM textbook_transaction entry WHERE entry.grant_id = account.id
               ) entries ON true
               WHERE account.balance <> %s + coalesce(entries.moved, 0)""",
            [Decimal(ENOUGH)],
        ).fetchone()
    if row != (0,):
        raise WrongBook(f"{row} accounts of the textbook peer don't add up")
