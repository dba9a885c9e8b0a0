"""Calls of the posting functions of new transactions: metering_post, or metering_post_in_order where they must be decided one by one.

They must be where the tenant has spending rules, where these are being changed, or where it holds estimates. metering_post then answers
`needs_order` and writes nothing, so that a call for several tenants never waits for a counter or the wallet of one of them. A
process remembers the answer for a while and calls metering_post_in_order at once, apart from other tenants' postings.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from kernel.base.caches import BoundedDict
from kernel.ledger import posting
from metering.paying.choices import RETRYABLE_MONEY_CONSTRAINTS
from metering.services import posting_columns

RETRYABLE_CONSTRAINTS = RETRYABLE_MONEY_CONSTRAINTS | {"metering_transaction_idempotency_key_key", "metering_trace_external_id_key"}
POST, POST_IN_ORDER = "metering_post", "metering_post_in_order"
NEEDS_ORDER = "needs_order"
IN_ORDER_SECONDS = 60.0
# Until when (time.monotonic) a tenant's postings are sent to POST_IN_ORDER at once. If that isn't needed any more, little time is lost.
_in_order_until: BoundedDict[UUID, float] = BoundedDict(at_most=10_000)


def post_new_transaction(posting_item: Mapping[str, Any], *, tenant_id: UUID) -> Any:
    """The outcome row of one new transaction, as metering_post returns it. Raises Busy, OutcomeUnknown."""

    def call(function: str) -> list[Any]:
        if function == POST:
            # Nothing is locked that another posting could wait for, so each has a key of its own.
            return [
                posting.post_one(
                    function,
                    posting_item,
                    tenant_id=tenant_id,
                    serialization_key=posting_item["id"],
                    retryable_constraints=RETRYABLE_CONSTRAINTS,
                )
            ]
        # One tenant's postings may wait for the same counters: those that come meanwhile are sent together in the next call.
        return [
            posting.post_one(
                function,
                posting_item,
                tenant_id=tenant_id,
                serialization_key=tenant_id,
                retryable_constraints=RETRYABLE_CONSTRAINTS,
                batch_only_with=tenant_id,
            )
        ]

    [row] = _call_posting_function(call, tenant_id=tenant_id)
    return row


def post_new_transactions(
    posting_items: Sequence[Mapping[str, Any] | msgspec.Raw],
    *,
    tenant_id: UUID,
    columns_if_refused: Sequence[str] | None = None,
    columns_always: Sequence[str] = (),
) -> list[Any]:
    """The outcome rows of many new transactions of one tenant, in order; for the columns see kernel.ledger.posting.post.

    Raises Busy.
    """
    shared: dict[str, Any] = {"columns_if_refused": columns_if_refused, "columns_always": columns_always}
    dictionaries = [made for made in posting_items if not isinstance(made, msgspec.Raw)]
    if len(dictionaries) == len(posting_items) >= posting_columns.MIN_POSTINGS:
        shared["body"] = posting_columns.encoded_columns(dictionaries)
    return _call_posting_function(
        lambda function: posting.post(function, posting_items, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS, **shared),
        tenant_id=tenant_id,
    )


def _call_posting_function(call: Callable[[str], list[Any]], *, tenant_id: UUID) -> list[Any]:
    """The rows of a call of the function that may decide this tenant's transactions."""
    if _in_order_until.get(tenant_id, 0) < time.monotonic():
        rows = call(POST)
        if not rows or rows[0].outcome != NEEDS_ORDER:
            return rows
        _in_order_until[tenant_id] = time.monotonic() + IN_ORDER_SECONDS
    return call(POST_IN_ORDER)
