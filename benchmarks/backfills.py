"""Bringing history in from a file, beside psql's \\copy of the same rows, twice: into bare tables, which are columns alone without a key,
index or check, and into the ledger's own tables.

Ours is the whole of `--apply`: the file's hash, every row read and checked, and posted with balances, keys, sums and checkpoints.
"""

import contextlib
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.database import Database
from benchmarks.measure import Candidate, Comparison, Sample

NAME = "bench_backfills"
ROOT = Path(__file__).resolve().parent.parent
GRANTS = 1000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = {
    "metered": ("metering_transaction", "metering_cost"),
    "debits": ("credits_transaction",),
}
# Of the ledger's own tables: what a row refers to, which is there before, and all that a backfill writes, in an order that the keys allow.
REFERRED = {
    "metered": ("tenants_tenant", "metering_service", "metering_agent"),
    "debits": ("tenants_tenant", "credits_grant"),
}
WRITTEN = {
    "metered": ("metering_trace", "metering_transaction", "metering_statuschange", "metering_cost"),
    "debits": ("credits_transaction",),
}
JOBS = "backfill with two jobs"
# The small file of `sizes`.
SMALL_ROWS = 10_000
BARE, OWN = r"psql \copy", r"psql \copy into the ledger's tables"
SAYS_OWN = "rows that are ready with ids, times and balances; keys, indexes and constraints as they are; no parsing, no sums, no checkpoint"


@dataclass
class Databases:
    """A migrated database, a folder for the files, and a count of the tenants made so far."""

    database: Database
    url: str
    own_url: str
    folder: Path
    rows: int
    tenants: int = 0
    copies: dict[str, list[Path]] = field(default_factory=dict)

    def manage(self, *arguments: str, url: str = "") -> str:
        environment = os.environ | {"DATABASE_URL": url or self.url, "ENVIRONMENT": "local"}
        done = subprocess.run(  # noqa: S603
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def new_tenant(self) -> str:
        self.tenants += 1
        slug = f"bench-{self.tenants}"
        self.manage("create_tenant", slug)
        return slug

    def apply(self, command: str, path: Path, slug: str, *, jobs: int = 1) -> float:
        """Plan and apply a file; the seconds that the application took by its own clock, the start of Python left out."""
        planned = json.loads(self.manage(command, slug, str(path), "--plan", "--json"))
        applied = json.loads(self.manage(command, "--apply", planned["run"], "--json", "--jobs", str(jobs)))
        return check_posted(applied)

    def manage_and_weigh(self, *arguments: str) -> tuple[dict[str, Any], float]:
        """A command's report (--json), and the memory of the largest of its processes (MB)."""
        environment = os.environ | {"DATABASE_URL": self.url, "ENVIRONMENT": "local"}
        with tempfile.TemporaryFile() as report:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "manage.py", *arguments, "--json"], cwd=ROOT, env=environment, stdout=report, stderr=subprocess.DEVNULL
            )
            # Of the process and of those that it waited for: the reader is one.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"manage.py {' '.join(arguments)} ended with {process.returncode}")
            report.seek(0)
            return json.load(report), usage.ru_maxrss / 1024

    def psql(self, *commands: str, url: str = "") -> None:
        options = [part for command in commands for part in ("-c", command)]
        program = self.database.program("psql")
        command = [program, "-q", "-v", "ON_ERROR_STOP=1", "-d", url or self.url, *options]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603


def check_posted(applied: dict[str, Any]) -> float:
    """The seconds that an application took, if it posted every row."""
    if applied["counts"] != {"posted": applied["rows"]}:
        raise RuntimeError(f"{applied['command']} refused rows: {applied['counts']}")
    return float(applied["seconds"])


@contextlib.contextmanager
def open_databases(database: Database, *, rows: int) -> Iterator[Databases]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        databases = Databases(
            database=database, url=database.fresh(NAME), own_url=database.fresh(f"{NAME}_own"), folder=Path(folder), rows=rows
        )
        for url in (databases.url, databases.own_url):
            databases.manage("migrate", "--verbosity", "0", url=url)
        yield databases
        # What a benchmark posted must be right, or its speed says nothing.
        databases.manage("verify_ledgers")


def metered_transactions(databases: Databases) -> Comparison:
    path = write_metered(databases.folder / "metered.csv", databases.rows)
    return Comparison(
        path=f"backfill of {databases.rows:,} metered transactions with two costs",
        unit="transactions/s",
        candidates=[
            Candidate(name="backfill", run=lambda: backfill_metered(databases, path)),
            Candidate(name=JOBS, run=lambda: backfill_metered(databases, path, jobs=2), says="--jobs 2"),
            Candidate(name=BARE, run=lambda: copy(databases, "metered"), says="bare tables: no key, index, check or sum"),
            Candidate(name=OWN, run=lambda: copy_into_own(databases, "metered"), says=SAYS_OWN),
        ],
        targets={BARE: 0.6},
    )


def debits(databases: Databases) -> Comparison:
    grants, path = write_grants(databases.folder / "grants.csv"), write_debits(databases.folder / "debits.csv", databases.rows)
    return Comparison(
        path=f"backfill of {databases.rows:,} debits on {GRANTS:,} grants",
        unit="transactions/s",
        candidates=[
            Candidate(name="backfill", run=lambda: backfill_debits(databases, grants, path)),
            Candidate(name=JOBS, run=lambda: backfill_debits(databases, grants, path, jobs=2), says="--jobs 2"),
            Candidate(name=BARE, run=lambda: copy(databases, "debits"), says="a bare table: no key, index, check or balance"),
            Candidate(name=OWN, run=lambda: copy_into_own(databases, "debits"), says=SAYS_OWN),
        ],
        targets={BARE: 0.35},
    )


def sizes(databases: Databases) -> Iterator[Comparison]:
    """The memory and the speed of a plan and an application of a large file, against those of a small one."""
    grants = write_grants(databases.folder / "grants.csv")
    files = {rows: write_debits(databases.folder / f"debits-{rows}.csv", rows) for rows in (databases.rows, SMALL_ROWS)}
    # By rows: what each round took, for the comparisons after the first.
    rounds: dict[int, list[dict[str, float]]] = {rows: [] for rows in files}

    def run(rows: int) -> Sample:
        rounds[rows].append(plan_and_apply(databases, grants, files[rows]))
        return Sample(rate=rounds[rows][-1]["MB"])

    yield Comparison(
        path="plan and apply of debits: memory of the largest process",
        unit="MB",
        candidates=[Candidate(name=f"{rows:,} rows", run=partial(run, rows)) for rows in files],
        targets={f"{SMALL_ROWS:,} rows": 1.2},
        less_is_better=True,
    )
    for part in ("plan", "apply"):
        kept = {rows: iter([taken[part] for taken in rounds[rows]]) for rows in files}
        yield Comparison(
            path=f"{part} of debits",
            unit="transactions/s",
            candidates=[Candidate(name=f"{rows:,} rows", run=partial(_next_sample, kept[rows])) for rows in files],
        )


def _next_sample(rates: Iterator[float]) -> Sample:
    return Sample(rate=next(rates))


def plan_and_apply(databases: Databases, grants: Path, path: Path) -> dict[str, float]:
    """Rows a second of the plan and of the application, and the memory of the larger of the two (MB)."""
    slug = databases.new_tenant()
    databases.apply("backfill_credit_grants", grants, slug)
    planned, of_plan = databases.manage_and_weigh("backfill_credit_transactions", slug, str(path), "--plan")
    applied, of_apply = databases.manage_and_weigh("backfill_credit_transactions", "--apply", planned["run"])
    rows = planned["rows"]
    return {"plan": rows / planned["seconds"], "apply": rows / check_posted(applied), "MB": max(of_plan, of_apply)}


def backfill_metered(databases: Databases, path: Path, *, jobs: int = 1) -> Sample:
    slug = databases.new_tenant()
    return Sample(rate=databases.rows / databases.apply("backfill_metered_transactions", path, slug, jobs=jobs))


def backfill_debits(databases: Databases, grants: Path, path: Path, *, jobs: int = 1) -> Sample:
    slug = databases.new_tenant()
    databases.apply("backfill_credit_grants", grants, slug)
    return Sample(rate=databases.rows / databases.apply("backfill_credit_transactions", path, slug, jobs=jobs))


def copy(databases: Databases, kind: str) -> Sample:
    """Copy the rows that a backfill has just made into tables with their columns and nothing else."""
    files = databases.copies.get(kind) or databases.copies.setdefault(kind, take_out(databases, kind))
    databases.psql(*(f"TRUNCATE bare_{table}" for table in TABLES[kind]))
    began = time.monotonic()
    databases.psql(*(rf"\copy bare_{table} FROM '{file}' CSV" for table, file in zip(TABLES[kind], files, strict=True)))
    return Sample(rate=databases.rows / (time.monotonic() - began))


def copy_into_own(databases: Databases, kind: str) -> Sample:
    """Copy all the rows that a backfill has just made into a second, empty ledger that already knows what they refer to."""
    copied = {table: file_of(databases, kind, table) for table in (*REFERRED[kind], *WRITTEN[kind])}
    # As the superuser, whom alone the append-only triggers can be kept from watching.
    databases.psql("SET session_replication_role = replica", f"TRUNCATE {', '.join(copied)} CASCADE", url=databases.own_url)
    databases.psql(*(rf"\copy {table} FROM '{copied[table]}' CSV" for table in REFERRED[kind]), url=databases.own_url)
    began = time.monotonic()
    databases.psql(*(rf"\copy {table} FROM '{copied[table]}' CSV" for table in WRITTEN[kind]), url=databases.own_url)
    return Sample(rate=databases.rows / (time.monotonic() - began))


def file_of(databases: Databases, kind: str, table: str) -> Path:
    """The newest tenant's rows of a table, taken out once."""
    file = databases.folder / f"{kind}-{table}.csv"
    if not file.exists():
        with psycopg.connect(databases.url) as connection:
            found = connection.execute(f"SELECT tenant_id FROM {TABLES[kind][0]} ORDER BY id DESC LIMIT 1").fetchone()  # noqa: S608
        column = "id" if table == "tenants_tenant" else "tenant_id"
        where = f"{column} = '{found[0] if found else None}'" + (" AND kind = 'debit'" if table == "credits_transaction" else "")
        databases.psql(rf"\copy (SELECT * FROM {table} WHERE {where}) TO '{file}' CSV")  # noqa: S608 - a constant's name
    return file


def take_out(databases: Databases, kind: str) -> list[Path]:
    for table in TABLES[kind]:
        databases.psql(f"CREATE TABLE bare_{table} AS SELECT * FROM {table} LIMIT 0")  # noqa: S608 - a constant's name
    return [file_of(databases, kind, table) for table in TABLES[kind]]


def write_metered(path: Path, rows: int) -> Path:
    chance = random.Random(1)  # noqa: S311 - the same file every time
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["idempotency_key", "service_name", "action_name", "resource_name", "agent_name", "occurred_at", "outcome", "metadata", "costs"]
        )
        for number in range(rows):
            estimate, actual = chance.randrange(1, 10_000), chance.randrange(1, 10_000)
            costs = [{"fiatAmount": f"0.{amount:06}", "fiatAssetSymbol": "USD", "isEstimate": False} for amount in (estimate, actual)]
            moment = BEGIN + timedelta(seconds=number)
            names = (f"service-{number % 20}", "complete", f"/v1/models/{number % 7}", f"agent-{number % 50}")
            metadata = f'{{"request": {number}, "tokens": {estimate}}}'
            writer.writerow([f"call-{number}", *names, moment.isoformat(), "success", metadata, json.dumps(costs)])
    return path


def write_grants(path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["idempotency_key", "customer_id", "name", "unit_type", "amount", "effective_date"])
        writer.writerows(
            [f"grant-{number}", f"customer-{number}", "Start", "CURRENCY", "1000000", "2026-01-01"] for number in range(GRANTS)
        )
    return path


def write_debits(path: Path, rows: int) -> Path:
    chance = random.Random(2)  # noqa: S311 - the same file every time
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["idempotency_key", "grant_key", "type", "amount", "occurred_at", "reason"])
        for number in range(rows):
            moment = BEGIN + timedelta(seconds=number)
            writer.writerow(
                [f"debit-{number}", f"grant-{chance.randrange(GRANTS)}", "DEBIT", f"0.{number % 99 + 1:02}", moment.isoformat(), "usage"]
            )
    return path
