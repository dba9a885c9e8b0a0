"""A ledger of its own for trying the engine: shelves that hold pieces, never fewer than none. Small, but with a real table."""

import json
from decimal import Decimal
from typing import Any

from django.db import connection

from kernel.backfills.adapters import Account, Adapter, Blocker, Existing, Outcome, UndoStep
from kernel.backfills.command import BackfillCommand
from kernel.backfills.errors import RowRefused
from kernel.backfills.reading.columns import Column, json_from_json, json_text, moment, money, money_from_json, one_of, text
from kernel.backfills.reading.rows import Posting
from kernel.ledger.errors import InvalidValue
from kernel.ledger.fact_digests import digest

TABLE = """
CREATE TABLE shelf_move (
    number bigint GENERATED ALWAYS AS IDENTITY, tenant_id uuid NOT NULL, key text NOT NULL, shelf text NOT NULL, kind text NOT NULL,
    pieces numeric NOT NULL, note text, occurred_at timestamptz NOT NULL, digest bytea NOT NULL, request_id text NOT NULL,
    reverses bigint, UNIQUE (tenant_id, key)
)
"""
FACTS = ("shelf", "kind", "pieces", "note", "occurred_at")


def make_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLE)


def drop_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS shelf_move")


def moves(tenant: Any) -> list[tuple[str, str, Decimal]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, shelf, pieces FROM shelf_move WHERE tenant_id = %s ORDER BY number", [tenant.id])
        return cursor.fetchall()


class ShelfAdapter(Adapter):
    command = "backfill_shelf_moves"
    noun = "shelf moves"
    facts = FACTS
    amount_column, key_column = "pieces", "move_id"
    account_columns = ("shelf",)
    skipped_columns = ("balance",)
    columns = (
        Column("move_id", text(at_most=20), required=True, help="the file's own id"),
        Column("shelf", text(at_most=20), required=True, help="which shelf"),
        Column("kind", one_of("in", "out"), required=True, help="in or out"),
        Column("pieces", money, required=True, help="how many", from_json=money_from_json(money)),
        Column("note", json_text, help="an object", from_json=json_from_json),
        Column("occurred_at", moment, required=True, help="when"),
    )
    # Set by a test: called before each posting call.
    before_post: Any = None

    def prepare(self, values: dict[str, Any]) -> Posting:
        if values["pieces"] < 0:
            raise RowRefused("pieces", "must not be negative")
        effect = values["pieces"] if values["kind"] == "in" else -values["pieces"]
        return Posting(
            key=values["move_id"],
            digest=digest(values, FACTS),
            body=values,
            kind=values["kind"],
            occurred_at=values["occurred_at"],
            amounts=(("pieces", values["pieces"]),),
            effects=((values["shelf"], effect),),
        )

    def existing(self, tenant, keys):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT key, number, digest, request_id FROM shelf_move WHERE tenant_id = %s AND key = ANY (%s)", [tenant.id, list(keys)]
            )
            return {
                key: Existing(id=str(number), digest=bytes(facts_digest), request_id=request)
                for key, number, facts_digest, request in cursor.fetchall()
            }

    def accounts(self, tenant, names):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT shelf, sum(pieces), max(occurred_at) FROM shelf_move WHERE tenant_id = %s AND shelf = ANY (%s) GROUP BY shelf",
                [tenant.id, list(names)],
            )
            return {
                name: Account(name=name, label=name, unit="pieces", before=total, now=total, lower_limit=Decimal(0), latest=latest)
                for name, total, latest in cursor.fetchall()
            }

    def new_account(self, tenant, name, posting):
        return Account(name=name, label=name, unit="pieces", lower_limit=Decimal(0)) if posting.kind == "in" else None

    def post(self, tenant, postings, run):
        if self.before_post is not None:
            self.before_post(postings)
        return [self._post(tenant, posting, run) for posting in postings]

    def _post(self, tenant, posting, run):
        values = posting.body
        if values["shelf"] == "poison":
            raise InvalidValue(field="shelf", reason="poison")
        first = self.existing(tenant, [posting.key]).get(posting.key)
        if first is not None:
            return Outcome("already_there") if first.digest == posting.digest else Outcome("conflict", "another move has this id")
        [(name, effect)] = posting.effects
        account = self.accounts(tenant, [name]).get(name) or self.new_account(tenant, name, posting)
        if account is None:
            return self.missing(name)
        if refused := self.refusal(account, posting, effect):
            return refused
        self._insert(tenant, posting.key, values, effect, posting.digest, run.request_id, None)
        return Outcome("posted")

    def _insert(self, tenant, key, values, pieces, facts_digest, request_id, reverses):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO shelf_move (tenant_id, key, shelf, kind, pieces, note, occurred_at, digest, request_id, reverses)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    *(tenant.id, key, values["shelf"], values["kind"], pieces, values.get("note"), values["occurred_at"]),
                    *(facts_digest, request_id, reverses),
                ],
            )

    def blockers(self, tenant, run, *, at_most):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT shelf, sum(pieces), sum(pieces) FILTER (WHERE request_id <> %s) FROM shelf_move WHERE tenant_id = %s"
                " GROUP BY shelf HAVING sum(pieces) FILTER (WHERE request_id <> %s) < 0 ORDER BY shelf LIMIT %s",
                [run.request_id, tenant.id, run.request_id, at_most],
            )
            return [Blocker(what=shelf, why=f"{-without:f} pieces were taken out since") for shelf, _, without in cursor.fetchall()]

    def undo(self, tenant, run, *, at_most, actor, below):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT number, shelf, kind, pieces, occurred_at FROM shelf_move m"
                " WHERE tenant_id = %s AND request_id = %s AND number < coalesce(%s, number + 1)"
                " AND NOT EXISTS (SELECT FROM shelf_move r WHERE r.reverses = m.number) ORDER BY number DESC LIMIT %s",
                [tenant.id, run.request_id, below, at_most],
            )
            rows = cursor.fetchall()
        for number, shelf, kind, pieces, occurred_at in rows:
            values = {"shelf": shelf, "kind": kind, "occurred_at": occurred_at}
            self._insert(tenant, f"undo:{number}", values, -pieces, b"", run.undo_request_id, number)
        return UndoStep(reversed=len(rows), lowest_id=rows[-1][0] if rows else None)


class ShelfCommand(BackfillCommand):
    help = "Put moves of shelves into the book."
    adapter = ShelfAdapter()


def write_csv(path: Any, rows: list[list[str]], header: str = "move_id,shelf,kind,pieces,occurred_at") -> Any:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return path


def write_jsonl(path: Any, rows: list[dict[str, Any]]) -> Any:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path
