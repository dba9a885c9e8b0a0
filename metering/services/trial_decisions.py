"""What spending rules would decide on a transaction that isn't recorded."""

from typing import Any, Unpack
from uuid import UUID

from django.db import transaction

from kernel.ledger.database_errors import translate_db_errors
from metering.choices import Status
from metering.rules.selectors import executions
from metering.selectors import RowDict
from metering.services import lifecycle
from metering.services.transactions import TransactionFacts, record_transaction

DECISIONS = {Status.DENIED: executions.DENIED, Status.PREPARING: "PREPARING"}


@translate_db_errors
def evaluate_create(*, tenant_id: UUID, actor: str, request_id: str, **facts: Unpack[TransactionFacts]) -> RowDict:
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
