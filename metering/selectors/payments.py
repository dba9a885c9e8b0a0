"""The newest payments of transactions, as replies about these show them. Another tenant's payment is not found."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, DateTimeField, ExpressionWrapper, F, Func, Q, QuerySet

from kernel.ledger.prepared_queries import is_one_of, prepared
from metering.models import Transaction
from metering.selectors.rows import RowDict

# The columns that are read of a transaction's newest payment (metering/paying).
PAYMENT = (
    *("id", "kind", "status", "customer_id", "currency", "amount", "captured", "unpaid", "hold_expires_at", "created_at", "updated_at"),
    *("closed_at", "payer", "is_unconfirmed"),
)
# The columns that are read of the token of a payment of a 402.
TOKEN = (
    *("authorization_id", "network", "scheme", "pay_to", "challenge", "key_id", "nonce_digest", "expires_at", "created_at"),
    *("presented_at", "settlement_id", "settled_amount", "settled_at", "receipt"),
)


def list_current_payments(*, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, RowDict]:
    """The newest payment of each of these transactions that has one, by the transaction's id; no query without ids.

    One whose time is over is `expired`, whether or not the job has closed it. `token`: that of the payment of a 402, else None.
    """
    wanted = list(ids)
    rows = _newest_payments(tenant_id=tenant_id, transaction_ids=wanted) if wanted else []
    return {row["id"]: _payment(row) | {"tenant_id": tenant_id} for row in rows}


@prepared
def _newest_payments(*, tenant_id: Any, transaction_ids: Any) -> QuerySet[Any, Any]:
    columns: dict[str, Any] = {f"payment_{name}": F(f"payments__{name}") for name in PAYMENT}
    columns |= {f"token_{name}": F(f"payments__tokens__{name}") for name in TOKEN}
    is_over = Q(payments__closed_at__isnull=True, payments__hold_expires_at__lte=Func(function="ledger_now", output_field=DateTimeField()))
    columns["is_over"] = ExpressionWrapper(is_over, output_field=BooleanField())
    found = Transaction.objects.filter(is_one_of("id", transaction_ids), tenant_id=tenant_id, payments__isnull=False)
    return found.order_by("payments__created_at", "payments__id").values("id", **columns)


def _payment(row: RowDict) -> RowDict:
    token = {name: row[f"token_{name}"] for name in TOKEN} if row["token_network"] is not None else None
    status = {"status": "expired"} if row["is_over"] else {}
    return {name: row[f"payment_{name}"] for name in PAYMENT} | {"transaction_id": row["id"], "token": token} | status


def current_payment(payment: RowDict | None) -> dict[str, Any]:
    """What a transaction's row says of its newest payment; `payment` as list_current_payments has it."""
    return {"payment": payment, "current_payment_transaction_id": payment and payment["id"]}
