"""Calls of the ledgers' posting functions, by which services record entries. (SQL functions of paying call those of billing and credits.)

Settings (types, prices, policies, agents) are written by Django's ORM instead.

The modules behind it call downward only: batching, statements, execution, greenlets.
"""

import functools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from kernel.ledger.posting.batching import BatchQueue
from kernel.ledger.posting.execution import close_loop_pools
from kernel.ledger.posting.statements import PostingFunction, call_function, encoded, encoded_with

__all__ = ["close_loop_pools", "encoded", "encoded_with", "post", "post_one"]


def post(
    function: str,
    postings: Sequence[Mapping[str, Any] | msgspec.Raw],
    *,
    tenant_id: UUID,
    retryable_constraints: frozenset[str] = frozenset(),
    columns_if_refused: Sequence[str] | None = None,
    columns_always: Sequence[str] = (),
    body: str | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> list[Any]:
    """Calls a ledger's posting function with an array of postings of one tenant; one outcome row for each posting, in their order.

    Amounts travel as decimal strings. `retryable_constraints` names the unique constraints of idempotency keys: where another call inserts
    the key between our look and our insert, nothing of ours was written, and the whole call is made again, now to find that row.
    With `columns_if_refused` a row has its `outcome`, `columns_always`, and these, which are null where the outcome is `posted`: who posts
    many reads little of each. `body`: the postings, encoded in another form that the function takes. Raises Busy and Django's database
    errors.
    """
    columns = "*"
    if columns_if_refused is not None:
        if_refused = (f"CASE WHEN outcome <> 'posted' THEN {name} END AS {name}" for name in columns_if_refused)
        columns = ", ".join(("outcome", *columns_always, *if_refused))
    called = PostingFunction(function, retryable_constraints, using, columns)
    return call_function(called, [(tenant_id, posting) for posting in postings], body=body)


def post_one(
    function: str,
    posting: Mapping[str, Any],
    *,
    tenant_id: UUID,
    serialization_key: Hashable,
    retryable_constraints: frozenset[str] = frozenset(),
    batch_only_with: Hashable = None,
    using: str = DEFAULT_DB_ALIAS,
) -> Any:
    """The outcome row of one posting, which may be sent in one call with others that came at the same time (batching.py); else as `post`.

    `serialization_key` names what the posting function locks for it (a wallet, a grant), or is unique where postings lock nothing that
    others lock; if it is wrong, only time is lost. With `batch_only_with` only postings with the same value share a call: where it may wait
    for long, others don't wait along. Inside a transaction nothing is batched: another's posting would be rolled back with it. Raises Busy,
    OutcomeUnknown and Django's database errors.
    """
    called = PostingFunction(function, retryable_constraints, using, batch_only_with=batch_only_with)
    if not settings.LEDGER_BATCHING or connections[using].in_atomic_block:
        return call_function(called, [(tenant_id, posting)])[0]
    # Encoded here, so that a posting that can't be encoded harms no other.
    return _batch_queue().post(called, (tenant_id, msgspec.Raw(encoded(posting))), serialization_key=serialization_key)


@functools.cache
def _batch_queue() -> BatchQueue:
    """The process's only one."""
    return BatchQueue(max_calls=settings.LEDGER_BATCHING_CALLS)
