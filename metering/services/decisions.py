"""Decisions of spending rules beyond those that a posting makes: trying one out, and those that wait for a person."""

from typing import Any, Unpack
from uuid import UUID

import msgspec
from django.db import transaction

from kernel.ledger.database_errors import translate_db_errors
from metering import selectors
from metering.choices import Status
from metering.rules.selectors import executions
from metering.selectors import Row
from metering.services import lifecycle
from metering.services.amendments import amend_one, make_amendment
from metering.services.transactions import TransactionFacts, record_transaction

DECISIONS = {Status.DENIED: executions.DENIED, Status.PREPARING: "PREPARING"}


@translate_db_errors
def evaluate_create(*, tenant_id: UUID, actor: str, request_id: str, **facts: Unpack[TransactionFacts]) -> Row:
    """What would become of a new transaction: `decision` (ALLOWED, DENIED, PREPARING), `reason`, `passes_at` and `executions`.

    The posting itself decides and is rolled back: nothing is stored and no counter moves. Where
    the tenant decides later, it says what the rules would decide then. Raises InvalidValue, Busy.
    """
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    with transaction.atomic():
        row = record_transaction(**who, **facts).row
        if row["status"] == Status.PENDING:
            lifecycle.prepare_transaction(**who, transaction_id=row["id"])
            row = lifecycle.authorize_transaction(**who, transaction_id=row["id"]).row
        [request] = executions.list_requests(tenant_id=tenant_id, transaction=row)
        transaction.set_rollback(True)
    return {
        "decision": DECISIONS.get(row["status"], executions.ALLOWED),
        "reason": request["decline_reason"],
        "passes_at": request["passes_at"],
        "executions": request["rule_executions"],
    }


def decide_waiting(*, tenant_id: UUID, actor: str, request_id: str, transaction_id: UUID, allow: bool, reason: str) -> Row:
    """A person's decision on a transaction that waits for one: the transaction's row afterwards.

    To allow, the rules decide again, and the denials that this round waits for are overruled; a rule that denies otherwise still binds, and
    the transaction is denied. Raises NotFound, WrongStatus, NeedsPerson, Busy.
    """
    row = selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id)
    [newest, *_] = executions.list_requests(tenant_id=tenant_id, transaction=row)
    denials = [each for each in newest["rule_executions"] if each["decision"] == executions.DENIED]
    move: dict[str, Any] = {"to_status": Status.DENIED.value, "reason": reason}
    if allow:
        override = msgspec.json.encode({"by": actor, "reason": reason}).decode()
        overruled = [each["rule_id"] for each in denials]
        move = {"to_status": Status.AUTHORIZED.value, "reason": reason, "asks_rules": True, "overruled": overruled, "override": override}
    item = make_amendment(
        actor=actor,
        request_id=request_id,
        transaction_id=transaction_id,
        stated={"call": move["to_status"], "reason": reason or None},
        move=move,
    )
    amend_one(item, tenant_id=tenant_id)
    return selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id)
