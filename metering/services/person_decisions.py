"""The decision of a person on a transaction that waits for one, because its spending rules leave it to a person."""

from typing import Any
from uuid import UUID

import msgspec

from metering import selectors
from metering.choices import Status
from metering.rules.selectors import executions
from metering.selectors import RowDict
from metering.services.amendments import amend_one, make_amendment


def decide_waiting(*, tenant_id: UUID, actor: str, request_id: str, transaction_id: UUID, allow: bool, reason: str) -> RowDict:
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
