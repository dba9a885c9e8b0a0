"""Calls of the posting functions of new transactions: metering_post, or metering_post_by_rules for a tenant with rules or that prepays.

metering_post refuses such a tenant, so that a call for several tenants never waits for a counter or the wallet of one of them. A process
remembers the refusal for a while and then asks metering_post_by_rules at once, apart from other tenants' postings.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from kernel.ledger import posting
from metering.paying.choices import RETRYABLE_MONEY_CONSTRAINTS

RETRYABLE_CONSTRAINTS = RETRYABLE_MONEY_CONSTRAINTS | {"metering_transaction_idempotency_key_key", "metering_trace_external_id_key"}
WITHOUT_RULES, BY_RULES = "metering_post", "metering_post_by_rules"
HAS_RULES = "has_rules"
REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 10_000
# Until when (time.monotonic) a tenant is taken to have rules. If it has none any more, only a little time is lost.
_has_rules_until: dict[UUID, float] = {}


def post_one(item: Mapping[str, Any], *, tenant_id: UUID) -> Any:
    """The outcome row of one new transaction, as metering_post returns it. Raises Busy, OutcomeUnknown."""

    def call(function: str) -> list[Any]:
        if function == WITHOUT_RULES:
            # Nothing is locked that another posting could wait for, so each has a key of its own.
            return [
                posting.post_one(
                    function, item, tenant_id=tenant_id, serialization_key=item["id"], retryable_constraints=RETRYABLE_CONSTRAINTS
                )
            ]
        # One tenant's postings may wait for the same counters: those that come meanwhile are sent together in the next call.
        return [
            posting.post_one(
                function,
                item,
                tenant_id=tenant_id,
                serialization_key=tenant_id,
                retryable_constraints=RETRYABLE_CONSTRAINTS,
                batch_only_with=tenant_id,
            )
        ]

    [row] = _decided(call, tenant_id=tenant_id)
    return row


def post(
    items: Sequence[Mapping[str, Any] | msgspec.Raw],
    *,
    tenant_id: UUID,
    columns_if_refused: Sequence[str] | None = None,
    columns_always: Sequence[str] = (),
) -> list[Any]:
    """The outcome rows of many new transactions of one tenant, in order; for the columns see kernel.ledger.posting.post.

    Raises Busy.
    """
    columns: dict[str, Any] = {"columns_if_refused": columns_if_refused, "columns_always": columns_always}
    return _decided(
        lambda function: posting.post(function, items, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS, **columns),
        tenant_id=tenant_id,
    )


def _decided(call: Callable[[str], list[Any]], *, tenant_id: UUID) -> list[Any]:
    """The rows of a call of the function that may decide this tenant's transactions."""
    if _has_rules_until.get(tenant_id, 0) < time.monotonic():
        rows = call(WITHOUT_RULES)
        if not rows or rows[0].outcome != HAS_RULES:
            return rows
        _remember(tenant_id)
    return call(BY_RULES)


def _remember(tenant_id: UUID) -> None:
    if len(_has_rules_until) >= MOST_REMEMBERED:
        _has_rules_until.clear()
    _has_rules_until[tenant_id] = time.monotonic() + REMEMBERED_SECONDS
