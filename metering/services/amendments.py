"""Adding to transactions that exist: the one road to `metering_amend`, which every other change takes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import IdempotencyConflict, LedgerError, NotFound
from kernel.ledger.idempotency import differing, digest
from kernel.ledger.identifiers import new_id
from metering.errors import AlreadySuperseded, CostOfAnother, NotOpen, WrongStatus
from metering.services.digests import comparable

# What makes two calls with one idempotency key the same call, in the order of the digest. New facts are appended.
FACTS = (
    "call",
    "transaction_id",
    "outcome",
    "reason",
    "source",
    "version",
    "phase",
    "facts",
    "integration",
    "fiat_amount",
    "fiat_asset_symbol",
    "is_estimate",
    "supersedes_id",
    "cost_details",
)
RACES = frozenset({"metering_statuschange_idempotency_key_key", "metering_fact_idempotency_key_key", "metering_cost_idempotency_key_key"})


def amendment(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    move: Mapping[str, Any] | None = None,
    fact: Mapping[str, Any] | None = None,
    cost: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    said: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One item for `amend`. `said`: what the caller said, by which a repeated call is known."""
    key = idempotency_key
    return {
        "tenant_id": tenant_id,
        "actor": actor,
        "request_id": request_id,
        "transaction_id": transaction_id,
        "idempotency_key": key,
        "digest": None if key is None else _digest(transaction_id, said or {}),
        "move": move and {"id": new_id(), **move},
        "fact": fact and {"id": new_id(), **fact},
        "cost": cost and {"id": new_id(), **cost, "amount": f"{cost['amount']:f}"},
    }


def _digest(transaction_id: UUID, said: Mapping[str, Any]) -> str:
    return digest(comparable({**said, "transaction_id": transaction_id}), FACTS).hex()


@translate_db_errors
def amend(amendments: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Write them in one call; one outcome for each, in order, none of them raised. Raises Busy."""
    return posting.post("metering_amend", amendments, races=RACES)


def amend_one(item: Mapping[str, Any]) -> Any:
    """Write one. Its outcome names the rows and says `done` or `replayed`. Raises what the outcome is an error of."""
    [outcome] = amend([item])
    error = error_of(item, outcome)
    if error is not None:
        raise error
    return outcome


def error_of(item: Mapping[str, Any], outcome: Any) -> LedgerError | None:
    """What an outcome means to a caller; None where the rows are written, now or before."""
    word = outcome.outcome
    if word in {"done", "replayed"}:
        return None
    if word == "conflict":
        return _conflict(item, outcome)
    transaction_id = item["transaction_id"]
    if word == "wrong_status":
        return WrongStatus(id=transaction_id, status=outcome.status, wanted=item["move"]["to"])
    if word == "not_found":
        return NotFound(kind="transaction", id=transaction_id)
    return (
        NotOpen(id=transaction_id, status=outcome.status) if word == "not_open" else _cost_error(word, cost_id=item["cost"]["supersedes"])
    )


def _conflict(item: Mapping[str, Any], outcome: Any) -> LedgerError:
    names = differing(FACTS, bytes(outcome.first_digest), bytes.fromhex(item["digest"]))
    first = outcome.change_id or outcome.fact_id or outcome.cost_id
    return IdempotencyConflict(first_id=first, fields=names, key=item["idempotency_key"])


def _cost_error(word: str, *, cost_id: UUID) -> LedgerError:
    """The refusal of a cost that names one to supersede."""
    if word == "cost_not_found":
        return NotFound(kind="cost", id=cost_id)
    if word == "cost_of_another":
        return CostOfAnother(id=cost_id)
    return AlreadySuperseded(id=cost_id)
