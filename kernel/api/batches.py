"""Calls that post many items at once: the outcome of each one, and how many of each there are.

Every API has such a call. This module decides what is posted; the dialect decides how the outcome is written (`batch_item`, `batch_body`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from kernel.api.problems import Invalid, Problem, problem_of
from kernel.ledger.outcomes import POSTED, REPLAYED, Posted

# Items of one call, in each API. Of a backfill: MAX_BATCH_ROWS; of one statement to the database: MAX_BATCH_POSTINGS.
MAX_BATCH_ITEMS = 1000
REFUSED = "refused"
ITEM_STATUSES = (POSTED, REPLAYED, REFUSED)


class ItemOutcome(msgspec.Struct, frozen=True):
    """One item: its status is one of ITEM_STATUSES; `row` is its row of the ledger, or `problem` says why there is none."""

    index: int
    status: str
    row: Any = None
    problem: Problem | None = None


@dataclass(frozen=True)
class BatchOutcome:
    """The items in the order in which they were sent. `reason`: of an atomic batch that was refused, the item that caused it."""

    items: tuple[ItemOutcome, ...]
    reason: ItemOutcome | None = None

    @cached_property
    def counts(self) -> dict[str, int]:
        found = Counter(item.status for item in self.items)
        return {status: found[status] for status in ITEM_STATUSES}


def with_keys(items: Sequence[dict[str, Any] | Invalid], key: str | None) -> list[dict[str, Any] | Invalid]:
    """The items of a batch that was sent with an Idempotency-Key: an item without a key of its own takes the batch's and its index, `K:0`.

    Else a batch that is sent again after a timeout would be posted twice, although its caller named a key.
    """
    if key is None:
        return list(items)
    return [
        item if isinstance(item, Invalid) else {**item, "idempotency_key": item["idempotency_key"] or f"{key}:{index}"}
        for index, item in enumerate(items)
    ]


def post_batch(
    items: Sequence[dict[str, Any] | Invalid],
    *,
    post: Callable[[list[Any]], Iterable[Posted[Any] | Exception | None]],
    aborted: str,
    is_atomic: bool = False,
) -> BatchOutcome:
    """Post the items that could be read, in one call of a service.

    `post` takes their values and gives for each, in order, Posted, the error that refuses it, or None where an atomic batch was
    refused because of another item. `aborted` is the code of the problem that such an item gets; its fact `index` is
    that other item. Of an atomic batch in which one item can't be read nothing is posted.
    """
    readable = [item for item in items if not isinstance(item, Invalid)]
    is_refused = is_atomic and len(readable) < len(items)
    results = iter([None] * len(readable) if is_refused or not readable else post(readable))
    outcomes = [item if isinstance(item, Invalid) else next(results) for item in items]
    first = next((index for index, outcome in enumerate(outcomes) if isinstance(outcome, Exception)), None)
    abortion = Problem(code=aborted, facts={"index": first})
    parts = tuple(_item(index, outcome, abortion) for index, outcome in enumerate(outcomes))
    return BatchOutcome(parts, reason=parts[first] if is_atomic and first is not None else None)


def _item(index: int, outcome: Posted[Any] | Exception | None, abortion: Problem) -> ItemOutcome:
    if outcome is None:
        return ItemOutcome(index, REFUSED, problem=abortion)
    if isinstance(outcome, Exception):
        problem = problem_of(outcome)
        if problem is None:
            raise outcome
        return ItemOutcome(index, REFUSED, problem=problem)
    return ItemOutcome(index, REPLAYED if outcome.replayed else POSTED, row=outcome.row)
