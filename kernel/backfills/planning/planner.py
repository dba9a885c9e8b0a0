"""The plan: reads every row as --apply will, looks it up in the ledger and reports the outcome, without posting anything."""

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from kernel.backfills.adapters import ALREADY_THERE, CONFLICT, SKIPPED, UNKNOWN_TYPE, Account, Adapter, Existing, NewTypes, Outcome
from kernel.backfills.planning.new_names import new_names
from kernel.backfills.planning.temp_tables import PlanTables, Seen
from kernel.backfills.reading.rows import Posting, Row
from kernel.backfills.reading.sources import Source
from kernel.backfills.reimport_after_undo import TAKEN_BACK, choose_keys, outcome_taken_back, undone_runs
from kernel.backfills.rejects import RejectWriter, outcome_without_posting
from kernel.backfills.row_outcomes import outcome_of_known_key
from kernel.ledger.outcomes import POSTED
from kernel.ledger.texts import is_invisible
from kernel.tenants.models import Tenant

# Limits of what the run's row holds of a plan. The files of --rejects and --effects hold everything.
MAX_EXAMPLES = 50
MAX_DAYS = 1000
MAX_ACCOUNTS = 200
MAX_UNKNOWN_TYPES = 200
MAX_LONG_RECORDS = 10
# Units whose moves are added up each for itself; those of further ones are added up as one unit.
MAX_UNITS = 1000
OTHER_UNITS = "other units"
# A file's number and a line in it, as one number.
LINES = 1 << 40
# A CSV record over more lines than this probably has a quote that isn't closed.
LONG_RECORD_LINES = 10


@dataclass
class BackDating:
    """Rows whose occurred_at is before the newest entry of their account: they change statements of past days by world time."""

    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, moment: datetime) -> None:
        self.rows += 1
        self.first = moment if self.first is None else min(self.first, moment)
        self.last = moment if self.last is None else max(self.last, moment)


@dataclass
class Planner:
    """Adds up the outcomes of rows, which come in chunks, in the file's order."""

    adapter: Adapter
    tenant: Tenant
    tables: PlanTables
    rejects: RejectWriter
    source: Source
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)
    back_dating: BackDating = field(default_factory=BackDating)
    new_types: NewTypes = field(default_factory=dict)
    unknown_types: Counter[str] = field(default_factory=Counter)
    long_records: list[dict[str, Any]] = field(default_factory=list)
    # Rows that are already there because an earlier row of the file has their key, and the first of them.
    repeated: dict[str, Any] = field(default_factory=lambda: {"rows": 0, "first": ""})
    # By unit: how much is added at most, and how much is taken.
    moves: dict[str, list[Decimal]] = field(default_factory=dict)
    rows: int = 0
    # Request ids of undone runs, of the chunk's rows that are in the ledger.
    undone: set[str] = field(default_factory=set)

    def add_rows(self, rows: Sequence[Row]) -> None:
        choose_keys(self.adapter, self.tenant, rows)
        postings = [row.posting for row in rows if row.posting is not None]
        self.adapter.complete(self.tenant, postings, self.new_types)
        self.adapter.simulate(self.tenant, postings)
        keys = [posting.key for posting in postings]
        keys += [posting.depends_on for posting in postings if posting.depends_on is not None]
        found = self._with_recorded(postings, self.adapter.existing(self.tenant, keys))
        self.undone = undone_runs(self.tenant, found.values())
        seen = self.tables.earlier_in_file(keys)
        accounts = self._accounts(postings)
        fresh: dict[str, Seen] = {}
        sums: dict[tuple[str, date, str], tuple[int, Decimal]] = {}
        names: Counter[tuple[str, str]] = Counter()
        for row in rows:
            outcome = self._decide(row, found, seen, fresh, accounts)
            self.counts[outcome.code] += 1
            self._note_suspicious(row, outcome)
            self._add_move(row, outcome)
            if outcome.code == POSTED and row.posting is not None:
                _add(sums, row.posting)
                names.update(self.adapter.names_of(row.posting))
            elif outcome.code not in {ALREADY_THERE, SKIPPED}:
                self._reject(row, outcome)
        self.rows += len(rows)
        self.tables.add_seen(fresh)
        self.tables.save_accounts(accounts.values())
        self.tables.add_sums(sums)
        self.tables.add_names(names)

    def _decide(
        self,
        row: Row,
        found: Mapping[str, Existing],
        seen: Mapping[str, Seen],
        fresh: dict[str, Seen],
        accounts: dict[str, Account],
    ) -> Outcome:
        posting = row.posting
        if posting is None:
            return outcome_without_posting(row)
        if (existing := found.get(posting.key)) is not None:
            return self._compare_existing(posting, existing)
        if (earlier := fresh.get(posting.key) or seen.get(posting.key)) is not None:
            outcome = self._compare(posting, earlier.digest, earlier.meant, self._earlier(earlier))
            if outcome.code == ALREADY_THERE:
                self.repeated["rows"] += 1
                self.repeated["first"] = self.repeated["first"] or self.source.place(row.part, row.line)
            return outcome
        if (original := posting.depends_on) is not None and original not in found:
            before = fresh.get(original) or seen.get(original)
            if before is None:
                return self.adapter.missing(original)
            posting.original = before.reversible
        refused = self._move(posting, accounts)
        if refused is not None:
            # A refused posting doesn't use its key: a later row of the file may have it.
            return refused
        fresh[posting.key] = Seen(
            line=row.part * LINES + row.line, digest=posting.digest, meant=posting.meant, reversible=posting.reversible
        )
        return Outcome(POSTED)

    def _compare_existing(self, posting: Posting, existing: Existing) -> Outcome:
        if existing.request_id in self.undone:
            return outcome_taken_back(existing.request_id)
        return self._compare(posting, existing.digest, existing.recorded, f"{existing.id} in the ledger")

    def _earlier(self, earlier: Seen) -> str:
        place = self.source.place(*divmod(earlier.line, LINES))
        return place if len(self.source.paths) > 1 else f"{place} of this file"

    def _compare(self, posting: Posting, first: bytes, recorded: bytes, where: str) -> Outcome:
        return outcome_of_known_key(self.adapter.facts, first, posting.digest, where, recorded=recorded, meant=posting.meant)

    def _with_recorded(self, postings: Sequence[Posting], found: Mapping[str, Existing]) -> Mapping[str, Existing]:
        """The same, with what those rows of the ledger record whose callers stated other facts than the file does."""
        others = {
            posting.key: existing.id
            for posting in postings
            if (existing := found.get(posting.key)) is not None and existing.digest != posting.digest
        }
        if not others:
            return found
        recorded = self.adapter.recorded(self.tenant, list(others.values()))
        return {**found, **{key: replace(found[key], recorded=recorded.get(row_id, b"")) for key, row_id in others.items()}}

    def _move(self, posting: Posting, accounts: dict[str, Account]) -> Outcome | None:
        """Apply the posting to the simulated balances, or return why the ledger would refuse it."""
        touched: list[tuple[Account, Decimal]] = []
        for name, effect in posting.effects:
            account = accounts.get(name) or self.adapter.new_account(self.tenant, name, posting)
            if account is None:
                return self.adapter.missing(name)
            accounts[name] = account
            refused = self.adapter.refusal(account, posting, effect)
            if refused is not None:
                account.refused += refused.code != ALREADY_THERE
                return refused
            touched.append((account, effect))
        for account, effect in touched:
            self.adapter.apply(account, posting, effect)
            account.rows += 1
        before = max((account.latest for account, _ in touched if account.latest is not None), default=None)
        if before is not None and posting.occurred_at < before:
            self.back_dating.add(posting.occurred_at)
        return None

    def _accounts(self, postings: Sequence[Posting]) -> dict[str, Account]:
        names = {name for posting in postings for name, _ in posting.effects}
        known = self.tables.accounts(names) if names else {}
        if missing := sorted(names - known.keys()):
            known.update(self.adapter.accounts(self.tenant, missing))
        return known

    def _note_suspicious(self, row: Row, outcome: Outcome) -> None:
        """Remember types without a direction, and records over many lines."""
        if outcome.code == UNKNOWN_TYPE and row.posting is not None:
            kind = row.posting.kind
            if kind in self.unknown_types or len(self.unknown_types) < MAX_UNKNOWN_TYPES:
                self.unknown_types[kind] += 1
        lines = row.end_line - row.line + 1
        if lines > LONG_RECORD_LINES and len(self.long_records) < MAX_LONG_RECORDS:
            self.long_records.append({"line": row.line, "place": self.source.place(row.part, row.line), "lines": lines})

    def _add_move(self, row: Row, outcome: Outcome) -> None:
        """Add up what the row may move. One that the ledger refuses now counts as well: it may take the row when the plan is applied."""
        if row.posting is None or outcome.code in {ALREADY_THERE, CONFLICT, TAKEN_BACK}:
            return
        for unit, amount in self.adapter.sizes(row.posting):
            known = unit if unit in self.moves or len(self.moves) < MAX_UNITS else OTHER_UNITS
            sides = self.moves.setdefault(known, [Decimal(0), Decimal(0)])
            sides[amount < 0] += abs(amount)

    def _reject(self, row: Row, outcome: Outcome) -> None:
        readable = not any(problem.code == "unreadable" for problem in row.problems)
        self.rejects.add(part=row.part, line=row.line, raw=row.raw, why=outcome.why, readable=readable)
        if len(self.examples) < MAX_EXAMPLES:
            problems = [{"column": problem.column, "why": problem.why} for problem in row.problems]
            self.examples.append(
                {
                    "line": row.line,
                    "place": self.source.place(row.part, row.line),
                    "outcome": outcome.code,
                    "why": outcome.why,
                    "problems": problems,
                }
            )

    def summary(self) -> dict[str, Any]:
        """The plan as the run's row keeps it."""
        by_type = self.tables.totals(at_most=MAX_DAYS)
        sums: dict[str, Decimal] = {}
        for total in by_type:
            sums[total["unit"]] = sums.get(total["unit"], Decimal(0)) + Decimal(total["amount"])
        return {
            "counts": dict(self.counts),
            "sums": {unit: f"{amount:f}" for unit, amount in sorted(sums.items())},
            # The sum added or the sum taken, whichever is larger, as of a correction.
            "moves": {unit: f"{max(sides):f}" for unit, sides in sorted(self.moves.items())},
            "by_type": by_type,
            "by_type_and_day": self.tables.sums(at_most=MAX_DAYS),
            "accounts_moved": self.tables.count_accounts(),
            "accounts": [describe_account(account) for account in self.tables.most_moved(at_most=MAX_ACCOUNTS)],
            "back_dated": {
                "rows": self.back_dating.rows,
                "first": _iso(self.back_dating.first),
                "last": _iso(self.back_dating.last),
            },
            "examples": self.examples,
            "unknown_types": self._describe_unknown_types(),
            "long_records": self.long_records,
            "repeated": self.repeated,
            "new_names": new_names(self.adapter, self.tenant, self.tables),
        }

    def _describe_unknown_types(self) -> list[dict[str, Any]]:
        """Each type without a direction, the most frequent first, with its count and the known types of nearly the same spelling."""
        known = sorted(self.adapter.known_types(self.tenant)) if self.unknown_types else []
        return [{"type": kind, "rows": rows, "near": near_spellings(kind, known)} for kind, rows in self.unknown_types.most_common()]


def near_spellings(written: str, known: Sequence[str]) -> list[str]:
    """Known codes that differ from `written` only in case and invisible characters; else up to three that are similar."""
    plain = _letters(written)
    same = [code for code in known if _letters(code) == plain]
    return same or difflib.get_close_matches(plain, known, n=3, cutoff=0.75)


def _letters(written: str) -> str:
    return "".join(character for character in written if not is_invisible(character)).casefold()


def describe_account(account: Account) -> dict[str, Any]:
    return {
        "account": account.label,
        "unit": account.unit,
        "before": f"{account.before:f}",
        "after": f"{account.now:f}",
        "change": f"{account.now - account.before:f}",
        "rows": account.rows,
        "refused": account.refused,
    }


def digest_of_plan(*, file_digest: str, tenant: Tenant, command: str, options: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """SHA-256 over everything that decides what --apply would do, and over the plan's result."""
    content = {"file": file_digest, "tenant": str(tenant.id), "command": command, "options": options, "summary": summary}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _add(sums: dict[tuple[str, date, str], tuple[int, Decimal]], posting: Posting) -> None:
    day = posting.occurred_at.astimezone(UTC).date()
    for unit, amount in posting.amounts:
        rows, total = sums.get((posting.kind, day, unit), (0, Decimal(0)))
        sums[posting.kind, day, unit] = (rows + 1, total + amount)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
