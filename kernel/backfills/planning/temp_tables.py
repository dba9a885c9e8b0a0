"""What a plan remembers of a file of any size: temporary tables of the database session, so that memory stays flat.

They end with the session. A plan writes nothing else until its run is created.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from django.db import connection

from kernel.backfills.adapters import Account
from kernel.backfills.reading.rows import Reversible
from kernel.backfills.row_outcomes import as_json

TABLES = """
DROP TABLE IF EXISTS pg_temp.backfill_keys, pg_temp.backfill_accounts, pg_temp.backfill_sums, pg_temp.backfill_names;
CREATE TEMPORARY TABLE backfill_keys (
    key text PRIMARY KEY, line bigint NOT NULL, digest bytea NOT NULL, meant bytea NOT NULL, size numeric, unit text
);
CREATE TEMPORARY TABLE backfill_accounts (
    name text PRIMARY KEY, label text NOT NULL, unit text NOT NULL, before numeric NOT NULL, now numeric NOT NULL, lower_limit numeric,
    latest timestamptz, is_listed boolean NOT NULL, rows bigint NOT NULL, refused bigint NOT NULL, terms jsonb NOT NULL
);
CREATE TEMPORARY TABLE backfill_sums (
    kind text, day date, unit text, rows bigint NOT NULL, amount numeric NOT NULL, PRIMARY KEY (kind, day, unit)
);
CREATE TEMPORARY TABLE backfill_names (noun text, name text, rows bigint NOT NULL, PRIMARY KEY (noun, name));
"""
ANY_OF = "ANY (ARRAY(SELECT jsonb_array_elements_text(%s::jsonb)))"
ACCOUNT = "name, label, unit, before, now, lower_limit, latest, is_listed, rows, refused, terms"


@dataclass(frozen=True, slots=True)
class Seen:
    """A posting of the file that would be posted: its line, its facts as stated and as meant, and what later rows may reverse of it."""

    line: int
    digest: bytes
    meant: bytes
    reversible: Reversible | None


class PlanTables:
    """The temporary tables of one plan."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(TABLES)

    def close(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(TABLES.split(";", maxsplit=1)[0])

    def earlier_in_file(self, keys: Sequence[str]) -> dict[str, Seen]:
        """Earlier postings of the file with these keys."""
        rows = _rows(f"SELECT key, line, digest, meant, size, unit FROM backfill_keys WHERE key = {ANY_OF}", [as_json(keys)])  # noqa: S608
        return {
            key: Seen(
                line=line,
                digest=bytes(digest),
                meant=bytes(meant),
                reversible=None if unit is None else Reversible(size=size, unit=unit),
            )
            for key, line, digest, meant, size, unit in rows
        }

    def add_seen(self, keys: Mapping[str, Seen]) -> None:
        body = [
            {"key": key, "line": seen.line, "digest": f"\\x{seen.digest.hex()}", "meant": f"\\x{seen.meant.hex()}"}
            | ({"size": seen.reversible.size, "unit": seen.reversible.unit} if seen.reversible else {})
            for key, seen in keys.items()
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO pg_temp.backfill_keys (key, line, digest, meant, size, unit)"
                " SELECT key, line, digest, meant, size, unit FROM jsonb_to_recordset(%s::jsonb)"
                " AS given (key text, line bigint, digest bytea, meant bytea, size numeric, unit text)",
                [msgspec.json.encode(body).decode()],
            )

    def accounts(self, names: Iterable[str]) -> dict[str, Account]:
        rows = _rows(f"SELECT {ACCOUNT} FROM backfill_accounts WHERE name = {ANY_OF}", [as_json(list(names))])  # noqa: S608 - constants
        return {row[0]: _account(row) for row in rows}

    def save_accounts(self, accounts: Iterable[Account]) -> None:
        body = msgspec.json.encode(list(accounts)).decode()
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO pg_temp.backfill_accounts ({ACCOUNT}) SELECT {ACCOUNT} FROM jsonb_to_recordset(%s::jsonb) AS given"  # noqa: S608
                " (name text, label text, unit text, before numeric, now numeric, lower_limit numeric,"
                " latest timestamptz, is_listed boolean, rows bigint, refused bigint, terms jsonb)"
                " ON CONFLICT (name) DO UPDATE SET now = excluded.now, latest = excluded.latest, rows = excluded.rows,"
                " refused = excluded.refused, terms = excluded.terms",
                [body],
            )

    def add_sums(self, sums: Mapping[tuple[str, date, str], tuple[int, Decimal]]) -> None:
        body = [{"kind": k, "day": d, "unit": u, "rows": rows, "amount": amount} for (k, d, u), (rows, amount) in sums.items()]
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO pg_temp.backfill_sums AS stored (kind, day, unit, rows, amount)"
                " SELECT kind, day, unit, rows, amount FROM jsonb_to_recordset(%s::jsonb)"
                " AS given (kind text, day date, unit text, rows bigint, amount numeric)"
                " ON CONFLICT (kind, day, unit) DO UPDATE SET rows = stored.rows + excluded.rows, amount = stored.amount + excluded.amount",
                [msgspec.json.encode(body).decode()],
            )

    def add_names(self, names: Mapping[tuple[str, str], int]) -> None:
        body = [{"noun": noun, "name": name, "rows": rows} for (noun, name), rows in names.items()]
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO pg_temp.backfill_names AS stored (noun, name, rows)"
                " SELECT noun, name, rows FROM jsonb_to_recordset(%s::jsonb) AS given (noun text, name text, rows bigint)"
                " ON CONFLICT (noun, name) DO UPDATE SET rows = stored.rows + excluded.rows",
                [msgspec.json.encode(body).decode()],
            )

    def nouns(self) -> list[str]:
        return [noun for (noun,) in _rows("SELECT DISTINCT noun FROM backfill_names ORDER BY noun", [])]

    def names(self, noun: str, *, at_most: int, after: int) -> list[tuple[str, int]]:
        """Names with their rows, the most frequent first, without the first `after` of them."""
        statement = "SELECT name, rows FROM backfill_names WHERE noun = %s ORDER BY rows DESC, name LIMIT %s OFFSET %s"
        return [(name, int(rows)) for name, rows in _rows(statement, [noun, at_most, after])]

    def sums(self, *, at_most: int) -> list[dict[str, Any]]:
        """By type and day, oldest first."""
        rows = _rows("SELECT kind, day, unit, rows, amount FROM backfill_sums ORDER BY day, kind, unit LIMIT %s", [at_most])
        return [{"type": k, "day": d.isoformat(), "unit": u, "rows": n, "amount": f"{amount:f}"} for k, d, u, n, amount in rows]

    def totals(self, *, at_most: int) -> list[dict[str, Any]]:
        """By type, over all days."""
        rows = _rows(
            "SELECT kind, unit, sum(rows), sum(amount), min(day), max(day) FROM backfill_sums"
            " GROUP BY kind, unit ORDER BY kind, unit LIMIT %s",
            [at_most],
        )
        return [
            {"type": k, "unit": u, "rows": int(n), "amount": f"{amount:f}", "first_day": a.isoformat(), "last_day": b.isoformat()}
            for k, u, n, amount, a, b in rows
        ]

    def count_accounts(self) -> int:
        return int(_rows("SELECT count(*) FROM backfill_accounts WHERE is_listed", [])[0][0])

    def most_moved(self, *, at_most: int) -> list[Account]:
        """The accounts with the largest changes; first those with refused rows."""
        statement = f"SELECT {ACCOUNT} FROM backfill_accounts WHERE is_listed ORDER BY refused DESC, abs(now - before) DESC, name LIMIT %s"  # noqa: S608
        return [_account(row) for row in _rows(statement, [at_most])]

    def stream_accounts(self) -> Iterator[Account]:
        """Every account in the order of names, read a thousand at a time."""
        last = ""
        while page := _rows(f"SELECT {ACCOUNT} FROM backfill_accounts WHERE is_listed AND name > %s ORDER BY name LIMIT 1000", [last]):  # noqa: S608
            yield from map(_account, page)
            last = page[-1][0]


def _rows(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _account(row: tuple[Any, ...]) -> Account:
    name, label, unit, before, now, lower_limit, latest, is_listed, rows, refused, terms = row
    # Django turns off psycopg's jsonb loader, so jsonb comes as text.
    facts = msgspec.json.decode(terms) if isinstance(terms, str) else terms
    return Account(name, label, unit, before, now, lower_limit, latest, is_listed, rows, refused, facts)
