"""What a rule would have done to the transactions of the last days. Nothing is written, and nobody waits for it.

Each transaction counts with what it costs now. A transaction that the rule would have refused adds nothing, as in a real decision.
"""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from kernel.ledger import queries
from metering.rules.choices import UNIT_SECONDS, IntervalUnit, RuleType
from metering.selectors import RowDict

DAYS = 7
# Transactions that a dry run reads at most, the newest: a page must not take the database for long.
MAX_TRANSACTIONS = 10_000
MAX_EXAMPLES = 5
REPLAY = "SELECT * FROM rules_replay(%s, %s, %s, %s::jsonb, %s::uuid[], %s::jsonb)"


@dataclass(slots=True)
class DryRun:
    """`judged`: transactions of the days, of which the rule applies to `applied` and would have refused `refused`.

    `by_limit`: how many of these each limit refused, in the order of the rule's parameters. `is_cut`: there were more than are read.
    """

    judged: int = 0
    applied: int = 0
    refused: int = 0
    by_limit: list[int] = field(default_factory=list)
    examples: list[UUID] = field(default_factory=list)
    is_cut: bool = False


@dataclass(slots=True)
class _Sum:
    """What one group has used within its window."""

    entries: deque[tuple[datetime, Decimal]] = field(default_factory=deque)
    used: Decimal = Decimal(0)

    def drop(self, tail_at: datetime) -> None:
        while self.entries and self.entries[0][0] <= tail_at:
            self.used -= self.entries.popleft()[1]

    def add(self, at: datetime, amount: Decimal) -> None:
        self.entries.append((at, amount))
        self.used += amount


def replay_rule(rule: RowDict, *, tenant_id: UUID, now: datetime) -> DryRun:
    """The dry run of a rule, of a stored one or of one that is about to be: a row of selectors.definitions."""
    begins = now - timedelta(days=DAYS)
    parameters = rule["parameters"] if rule["rule_type"] == RuleType.USAGE_LIMIT else []
    longest = max((_length(parameter) for parameter in parameters), default=timedelta(0))
    rows = queries.fetch_rows(
        REPLAY,
        [
            tenant_id,
            begins - longest,
            MAX_TRANSACTIONS + 1,
            json.dumps([_condition(condition) for condition in rule["conditions"]]),
            [str(part["agent_id"]) for part in rule["agent_rules"]],
            json.dumps([_measure(parameter) for parameter in parameters]),
        ],
    )
    transactions = [list(group) for _, group in groupby(rows, key=lambda row: row.transaction_id)]
    run = DryRun(by_limit=[0] * len(parameters), is_cut=len(transactions) > MAX_TRANSACTIONS)
    sums: dict[tuple[int, str], _Sum] = {}
    for lines in transactions:
        refusing = _refusing(rule["rule_type"], lines, parameters, sums)
        if not refusing:
            _count(lines, sums)
        if lines[0].at > begins:
            _note_verdicts(run, lines, refusing)
    return run


def describe_run(run: DryRun, limits: Sequence[str]) -> list[str]:
    """A dry run in sentences. `limits`: the rule's limits as text, in the order of its parameters."""
    if not run.judged:
        return [f"No call was recorded in the last {DAYS} days, so a dry run says nothing."]
    cut = f", the newest {MAX_TRANSACTIONS:,} read" if run.is_cut else ""
    calls = f"{run.judged:,} call{'' if run.judged == 1 else 's'} of the last {DAYS} days{cut}"
    sentences = [f"Of {calls}, it applies to {run.applied:,} and would have refused {run.refused:,}."]
    if len(run.by_limit) > 1:
        sentences += [f"{limit} would have refused {count:,}." for limit, count in zip(limits, run.by_limit, strict=True) if count]
    return sentences


def _note_verdicts(run: DryRun, lines: Sequence[Any], refusing: list[int]) -> None:
    run.judged += 1
    run.applied += bool(lines[0].applies)
    if not refusing:
        return
    run.refused += 1
    run.examples = [*run.examples, lines[0].transaction_id][-MAX_EXAMPLES:]
    for ordinal in refusing:
        if ordinal:
            run.by_limit[ordinal - 1] += 1


def _refusing(rule_type: str, lines: Sequence[Any], parameters: Sequence[RowDict], sums: dict[tuple[int, str], _Sum]) -> list[int]:
    """The ordinals of the limits that refuse the transaction; [0] where the rule refuses it without a limit."""
    first = lines[0]
    match rule_type:
        case RuleType.ALLOWLIST:
            return [0] if first.is_of_agents and not first.applies else []
        case RuleType.BLOCKLIST:
            return [0] if first.applies else []
        case RuleType.PAYMENT_AUTHORIZATION:
            return [0] if first.applies and first.has_payment else []
    return [line.ordinal for line in lines if line.ordinal and first.applies and _is_over(line, parameters[line.ordinal - 1], sums)]


def _is_over(line: Any, parameter: RowDict, sums: dict[tuple[int, str], _Sum]) -> bool:
    used = Decimal(0)
    if line.tail_at is not None:
        group = sums.setdefault((line.ordinal, line.group_key), _Sum())
        group.drop(line.tail_at)
        used = group.used
    limit: Decimal = parameter["limit_value"]
    # What isn't known to cost nothing is refused once the limit is used up.
    return used >= limit if line.amount is None else used + line.amount > limit


def _count(lines: Iterable[Any], sums: dict[tuple[int, str], _Sum]) -> None:
    for line in lines:
        if line.ordinal and line.is_counted and line.tail_at is not None and line.amount is not None:
            sums.setdefault((line.ordinal, line.group_key), _Sum()).add(line.at, line.amount)


def _length(parameter: RowDict) -> timedelta:
    """How long a window is at most."""
    value = parameter["interval_value"]
    return timedelta(seconds=value * UNIT_SECONDS[IntervalUnit(parameter["interval_unit"])]) if value else timedelta(0)


def _condition(condition: RowDict) -> dict[str, Any]:
    names = {"group": "condition_group", "type": "field_type", "name": "field_name", "operator": "operator", "value": "value"}
    return {name: condition[column] for name, column in names.items()}


def _measure(parameter: RowDict) -> dict[str, Any]:
    """A limit's measure, by the columns of rules_rulemeasure."""
    same = ("measurement_type", "interval_value", "interval_unit", "is_rolling", "time_zone", "currency", "include_estimates")
    measure = {name: parameter[name] for name in same}
    return measure | {"group_by": list(parameter["group_by"]), "scope": parameter["measurement_scope"]}
