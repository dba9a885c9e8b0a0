"""The plan: read every row as the application will, ask the book, and tell what would happen, without posting anything."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from kernel.backfills.adapters import ALREADY_THERE, POSTED, Account, Adapter, Existing, Outcome
from kernel.backfills.outcomes import outcome_of_known_key
from kernel.backfills.rejects import RejectWriter, join_problems
from kernel.backfills.rows import Posting, Row
from kernel.backfills.temp_tables import PlanTables, Seen
from kernel.tenants.models import Tenant

INVALID = "invalid"
# What a plan keeps in the run's row; the whole is in the files that --rejects and --effects name.
EXAMPLES_KEPT = 50
DAYS_KEPT = 1000
ACCOUNTS_KEPT = 200


@dataclass
class BackDating:
    """Rows that happened before the newest entry their account already has: statements of those days by world time will change."""

    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def note(self, moment: datetime) -> None:
        self.rows += 1
        self.first = moment if self.first is None else min(self.first, moment)
        self.last = moment if self.last is None else max(self.last, moment)


@dataclass
class Planner:
    """Takes rows chunk by chunk, in the file's order."""

    adapter: Adapter
    tenant: Tenant
    scratch: PlanTables
    rejects: RejectWriter
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)
    back_dating: BackDating = field(default_factory=BackDating)
    rows: int = 0

    def take(self, rows: Sequence[Row]) -> None:
        postings = [row.posting for row in rows if row.posting is not None]
        self.adapter.complete(self.tenant, postings)
        self.adapter.simulate(self.tenant, postings)
        keys = [posting.key for posting in postings]
        keys += [posting.depends_on for posting in postings if posting.depends_on is not None]
        found = self.adapter.existing(self.tenant, keys)
        seen = self.scratch.seen(keys)
        accounts = self._accounts(postings)
        fresh: dict[str, Seen] = {}
        sums: dict[tuple[str, date, str], tuple[int, Decimal]] = {}
        for row in rows:
            outcome = self._decide(row, found, seen, fresh, accounts)
            self.counts[outcome.code] += 1
            if outcome.code == POSTED and row.posting is not None:
                _add(sums, row.posting)
            elif outcome.code != ALREADY_THERE:
                self._reject(row, outcome)
        self.rows += len(rows)
        self.scratch.remember(fresh)
        self.scratch.keep(accounts.values())
        self.scratch.add_sums(sums)

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
            return Outcome(INVALID, join_problems(row.problems))
        if (existing := found.get(posting.key)) is not None:
            return self._against(posting, existing.digest, f"{existing.id} in the book")
        if (earlier := fresh.get(posting.key) or seen.get(posting.key)) is not None:
            return self._against(posting, earlier.digest, f"line {earlier.line} of this file")
        if (ground := posting.depends_on) is not None and ground not in found:
            before = fresh.get(ground) or seen.get(ground)
            if before is None:
                return self.adapter.missing(ground)
            posting.original = before.left
        refused = self._move(posting, accounts)
        if refused is not None:
            # A refused posting leaves its key free.
            return refused
        fresh[posting.key] = Seen(line=row.line, digest=posting.digest, left=posting.reversible)
        return Outcome(POSTED)

    def _against(self, posting: Posting, first: bytes, where: str) -> Outcome:
        return outcome_of_known_key(self.adapter.facts, first, posting.digest, where)

    def _move(self, posting: Posting, accounts: dict[str, Account]) -> Outcome | None:
        """Move the simulated balances, or say why the ledger would not."""
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
            self.back_dating.note(posting.occurred_at)
        return None

    def _accounts(self, postings: Sequence[Posting]) -> dict[str, Account]:
        names = {name for posting in postings for name, _ in posting.effects}
        known = self.scratch.accounts(names) if names else {}
        if missing := sorted(names - known.keys()):
            known.update(self.adapter.accounts(self.tenant, missing))
        return known

    def _reject(self, row: Row, outcome: Outcome) -> None:
        readable = not any(problem.code == "unreadable" for problem in row.problems)
        self.rejects.add(line=row.line, raw=row.raw, why=outcome.why, readable=readable)
        if len(self.examples) < EXAMPLES_KEPT:
            problems = [{"column": problem.column, "why": problem.why} for problem in row.problems]
            self.examples.append({"line": row.line, "outcome": outcome.code, "why": outcome.why, "problems": problems})

    def summary(self) -> dict[str, Any]:
        """What the run keeps of the plan."""
        by_type = self.scratch.totals(at_most=DAYS_KEPT)
        sums: dict[str, Decimal] = {}
        for total in by_type:
            sums[total["unit"]] = sums.get(total["unit"], Decimal(0)) + Decimal(total["amount"])
        return {
            "counts": dict(self.counts),
            "sums": {unit: f"{amount:f}" for unit, amount in sorted(sums.items())},
            "by_type": by_type,
            "by_type_and_day": self.scratch.sums(at_most=DAYS_KEPT),
            "accounts_moved": self.scratch.count_accounts(),
            "accounts": [describe_account(account) for account in self.scratch.most_moved(at_most=ACCOUNTS_KEPT)],
            "back_dated": {
                "rows": self.back_dating.rows,
                "first": _written(self.back_dating.first),
                "last": _written(self.back_dating.last),
            },
            "examples": self.examples,
        }


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
    """SHA-256 over all that decides what an application would do, and what the plan saw."""
    content = {"file": file_digest, "tenant": str(tenant.id), "command": command, "options": options, "summary": summary}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _add(sums: dict[tuple[str, date, str], tuple[int, Decimal]], posting: Posting) -> None:
    day = posting.occurred_at.astimezone(UTC).date()
    for unit, amount in posting.amounts:
        rows, total = sums.get((posting.kind, day, unit), (0, Decimal(0)))
        sums[posting.kind, day, unit] = (rows + 1, total + amount)


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
