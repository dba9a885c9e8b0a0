"""Reads the outcome rows of the posting functions: what was posted, a replay or conflict of a key used before, and the error of a refusal.

Posting functions report a key that was used before as `exists`, with the first row's `first_digest`; idempotency.py decides whether that
is a replay or a conflict. Only credits_reinstate reports `replayed` itself. It compares no digests: earlier calls gave back all that the
invoice took.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kernel.ledger.errors import IdempotencyConflict, LedgerError
from kernel.ledger.idempotency import conflicting_facts

Value = TypeVar("Value")
# The outcomes that all ledgers have. A refusal has a word of its own: it stands in the SQL function that refuses, and beside its error.
POSTED, EXISTS, REPLAYED = "posted", "exists", "replayed"


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting that is in the ledger. `replayed`: an earlier call with the same key and the same facts recorded it."""

    row: Any
    replayed: bool


def _key_used_before(row: Any, fields: list[str]) -> LedgerError:
    return IdempotencyConflict(first_id=row.id, fields=fields)


def posted_or_error(
    row: Any,
    *,
    facts_digest: bytes | None,
    names: Sequence[str],
    errors: Mapping[str, Callable[[Any], LedgerError]],
    also_posted: Collection[str] = (),
    conflict: Callable[[Any, list[str]], LedgerError] = _key_used_before,
    is_recorded: Callable[[Any, str], bool] | None = None,
) -> Posted | LedgerError:
    """The outcome of one posting; an error is a value, because in an array one refusal leaves the others alone (or_raise).

    `row` has an `outcome` and, for a key that was used before, `id` and `first_digest`. `facts_digest` is this call's digest of the facts
    `names`, in the ledger's order (fact_digests.py). `errors` makes the error of each outcome that moved nothing; an outcome without one is
    a fault of ours and raises KeyError. `also_posted` names outcomes that are no error though nothing was recorded, as "nothing_left".
    `conflict` makes the error of a key that was used with other facts, from the row and the names that differ. `is_recorded`: as
    idempotency.conflicting_facts takes it.
    """
    if row.outcome == POSTED or row.outcome in also_posted:
        return Posted(row, replayed=False)
    if row.outcome == REPLAYED:
        return Posted(row, replayed=True)
    if row.outcome != EXISTS:
        return errors[row.outcome](row)
    fields = conflicting_facts(row, facts_digest=facts_digest, names=names, is_recorded=is_recorded)
    return conflict(row, fields) if fields else Posted(row, replayed=True)


def or_raise(outcome: Value | LedgerError) -> Value:
    """What was posted; an error is raised."""
    if isinstance(outcome, LedgerError):
        raise outcome
    return outcome


def is_replayed(outcome: Any) -> bool:
    """Whether a Posted, or a row with an `outcome`, is that of an earlier call with the same key."""
    return bool(outcome.replayed) if hasattr(outcome, "replayed") else outcome.outcome == REPLAYED
