"""A further round of authorization: what a transaction was authorized for must be paid. The rules decide on the payment.

The payment itself is not placed yet: a round that is authorized has no payment.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import NotFound
from kernel.ledger.idempotency import digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.outcomes import Posted, read_outcome
from metering import selectors
from metering.digests import parse_document
from metering.errors import MustBeAuthorized
from metering.selectors import Row
from metering.services.challenges import Option, choose_option

RACES = frozenset({"rules_authorizationrequest_idempotency_key_key", "rules_authorizationrequest_round_key"})
# The facts of the digest, in its order.
FACTS = ("transaction_id", "x402", "metadata", "additional_protocols")


@dataclass(frozen=True, slots=True)
class Reauthorized:
    """The transaction after the round."""

    row: Row
    replayed: bool = False


@translate_db_errors
def reauthorize_transaction(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    x402: str,
    metadata: str | None = None,
    additional_protocols: str | None = None,
    idempotency_key: str | None = None,
) -> Reauthorized:
    """Ask for authorization of a payment. `x402`: the challenge as its JSON text; the first option that can be paid is decided on.

    The same challenge again, or the same key with the same facts, is a replay. A completed transaction is returned as it stands. Raises
    NotFound, MustBeAuthorized, NoPayableOption, IdempotencyConflict, Busy.
    """
    parsed = parse_document(x402)
    facts = {"transaction_id": str(transaction_id), "x402": parsed, "metadata": parse_document(metadata)}
    facts["additional_protocols"] = parse_document(additional_protocols)
    facts_digest = digest(facts, FACTS)
    option = choose_option(json.loads(x402))
    item: dict[str, Any] = {
        "id": new_id(),
        "change_id": new_id(),
        "transaction_id": transaction_id,
        "actor": actor,
        "request_id": request_id,
        "idempotency_key": idempotency_key,
        "digest": facts_digest.hex(),
        "challenge_digest": hashlib.sha256(msgspec.json.encode(parsed, order="deterministic")).hexdigest(),
        "payment": _payment(option),
        "amount": f"{option.amount:f}",
        "currency": option.currency,
    }
    outcome = _post(item, tenant_id=tenant_id, facts_digest=facts_digest)
    return Reauthorized(selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id), outcome.replayed)


def _post(item: Mapping[str, Any], *, tenant_id: UUID, facts_digest: bytes) -> Posted:
    transaction_id = item["transaction_id"]
    [row] = posting.post("metering_reauthorize", [item], tenant_id=tenant_id, races=RACES)
    return read_outcome(
        row,
        facts_digest=facts_digest,
        names=FACTS,
        errors={
            "not_found": lambda _: NotFound(kind="transaction", id=transaction_id),
            "wrong_status": lambda refused: MustBeAuthorized(id=transaction_id, status=refused.status),
        },
        also_posted=("completed",),
    )


def _payment(option: Option) -> str:
    """What the rules' conditions on a payment compare, as JSON."""
    payment = {
        "amount": f"{option.amount:f}",
        "network": option.network,
        "asset": option.asset,
        "scheme": option.scheme,
        "payTo": option.pay_to,
        "resource": option.resource,
    }
    return msgspec.json.encode(payment).decode()
