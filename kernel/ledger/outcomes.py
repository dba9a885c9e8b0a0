"""Reads the outcome rows of the posting functions: what was posted, a replay or conflict of a key used before, and the error of a refusal.

Posting functions report a key that was used before as `exists`, with the first row's `first_digest`; idempotency.py decides whether that
is a replay or a conflict. Only credits_reinstate reports `replayed` itself. It compares no digests: earlier calls gave back all that the
invoice took.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import msgspec

from kernel.ledger.errors import IdempotencyConflict, LedgerError
from kernel.ledger.idempotency import conflicting_facts

Row = TypeVar("Row")
Value = TypeVar("Value")
# The outcomes that all ledgers have. A refusal has a word of its own: it stands in the SQL function that refuses, and beside its error.
POSTED, EXISTS, REPLAYED = "posted", "exists", "replayed"


class OutcomeRow(Protocol):
    """What every row of a posting function has. Which columns one has beyond these, the posting_rows.py of each ledger says."""

    outcome: str

    def _asdict(self) -> dict[str, Any]: ...

    def _replace(self, **columns: Any) -> Self: ...


class Posted(msgspec.Struct, Generic[Row], frozen=True):
    """What every call of a ledger returns that wasn't refused. `row`: what it recorded, or what an earlier call did.

    In billing and credits `row` is the row of the posting function, read by attributes (`row.balance`). In metering it is a dictionary
    (`row["cost"]`) where the service answers with a transaction, a cost or a report. The posting_rows.py of each ledger has the types.

    `replayed`: an earlier call with the same key and the same facts recorded it. `nothing_to_do`: there was nothing to record, as where a
    grant without a balance expires.
    """

    row: Row
    replayed: bool = False
    nothing_to_do: bool = False

    @property
    def is_new(self) -> bool:
        """Whether this call recorded it."""
        return not self.replayed and not self.nothing_to_do


def _key_used_before(row: Any, fields: list[str]) -> LedgerError:
    return IdempotencyConflict(first_id=row.id, fields=fields)


def posted_or_error(
    row: Any,
    *,
    facts_digest: bytes | None,
    names: Sequence[str],
    errors: Mapping[str, Callable[[Any], LedgerError]],
    nothing_to_do: Collection[str] = (),
    conflict: Callable[[Any, list[str]], LedgerError] = _key_used_before,
    is_recorded: Callable[[Any, str], bool] | None = None,
) -> Posted[Any] | LedgerError:
    """The outcome of one posting; an error is a value, because in an array one refusal leaves the others alone (or_raise).

    `row` has an `outcome` and, for a key that was used before, `id` and `first_digest`. `facts_digest` is this call's digest of the facts
    `names`, in the ledger's order (fact_digests.py). `errors` makes the error of each outcome that refuses; an outcome without one is a
    fault of ours and raises KeyError. `nothing_to_do` names outcomes that are no error though nothing was recorded, as "nothing_left".
    `conflict` makes the error of a key that was used with other facts, from the row and the names that differ. `is_recorded`: as
    idempotency.conflicting_facts takes it.
    """
    if row.outcome == POSTED:
        return Posted(row)
    if row.outcome in nothing_to_do:
        return Posted(row, nothing_to_do=True)
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
