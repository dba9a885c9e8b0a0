"""Calls of the webhooks API with an idempotency key: a repeated call is answered with what the first one did. Keys are kept for ever."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from kernel.events.models import IdempotentCall
from kernel.ledger.errors import IdempotencyConflict
from kernel.ledger.fact_digests import differing_facts, digest

# The member of a result that names what the call made.
IDS = "id"


@dataclass(frozen=True, slots=True)
class Call:
    """`result`: what the first call with the key did. `replayed`: that was an earlier call."""

    result: dict[str, Any]
    replayed: bool


def claim_call(*, tenant_id: UUID, operation: str, key: str | None, facts: Mapping[str, Any], result: dict[str, Any]) -> Call:
    """Record the call under its key, in the transaction of what it does; or find the call that was recorded before.

    Two calls with one key wait for each other here. Raises IdempotencyConflict: the key was used with other facts or for another operation.
    """
    if key is None:
        return Call(result, replayed=False)
    names = sorted(facts)
    mark = digest({name: _plain(value) for name, value in facts.items()}, names)
    try:
        with transaction.atomic():
            IdempotentCall.objects.create(tenant_id=tenant_id, key=key, operation=operation, facts_digest=mark, result=result)
    except IntegrityError:
        first = IdempotentCall.objects.get(tenant_id=tenant_id, key=key)
    else:
        return Call(result, replayed=False)
    fields = ["operation"] if first.operation != operation else differing_facts(names, bytes(first.facts_digest), mark)
    if fields:
        raise IdempotencyConflict(first_id=first.result.get(IDS), fields=fields)
    return Call(first.result, replayed=True)


def set_result(*, tenant_id: UUID, key: str | None, result: dict[str, Any]) -> None:
    """Record what the call came to, where that is only known at its end."""
    if key is not None:
        IdempotentCall.objects.filter(tenant_id=tenant_id, key=key).update(result=result)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str, sort_keys=True)) if isinstance(value, list | dict) else value
