"""Reads of payments. Functions take `tenant_id` by keyword; another tenant's payment is not found."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, F, Func, Q, QuerySet

from kernel.ledger import queries
from kernel.ledger.errors import NotFound
from kernel.ledger.prepared_queries import is_one_of, prepared
from metering.paying import tokens
from metering.paying.choices import OPEN_STATUSES, PaymentKind, PaymentStatus
from metering.paying.evm import CantSign
from metering.paying.models import Collection, Payee, PayerSetting, Payment, PaymentCall, PaymentLeg
from metering.selectors import RowDict
from metering.selectors.payments import TOKEN

LEG = ("kind", "hold_id", "entry_id", "amount", "captured")
PAYMENT = (
    *("id", "tenant_id", "transaction_id", "kind", "status", "customer_id", "currency", "amount", "captured", "unpaid", "hold_expires_at"),
    *("created_at", "updated_at", "closed_at", "payer", "is_unconfirmed"),
)
# By the names that they have beside those of the payment.
TOKEN_COLUMNS: dict[str, Any] = {f"token_{name}": F(f"tokens__{name}") for name in TOKEN}
COLLECTION = ("id", "tenant_id", "payment_id", "pay_to", "currency", "amount", "created_at", "posted_at")


def list_payments(*, tenant_id: UUID, transaction_id: UUID) -> list[RowDict]:
    """Every payment of a transaction with its parts, oldest first; two queries."""
    found = _payments(tenant_id=tenant_id, transaction_id=transaction_id)
    legs: dict[UUID, list[RowDict]] = {payment["id"]: [] for payment in found}
    for part in _legs(tenant_id=tenant_id, payment_ids=list(legs)) if legs else ():
        legs[part["payment_id"]].append(part)
    return [_with_token(payment) | {"legs": legs[payment["id"]]} for payment in found]


@prepared
def _payments(*, tenant_id: Any, transaction_id: Any) -> "QuerySet[Any, Any]":
    found = Payment.objects.filter(tenant_id=tenant_id, transaction_id=transaction_id).order_by("created_at", "id")
    return found.values(*PAYMENT, **TOKEN_COLUMNS)


@prepared
def _legs(*, tenant_id: Any, payment_ids: Any) -> "QuerySet[Any, Any]":
    parts = PaymentLeg.objects.filter(is_one_of("payment_id", payment_ids), tenant_id=tenant_id).order_by("payment_id", "ordinal")
    return parts.values("payment_id", *LEG)


def _with_token(row: RowDict) -> RowDict:
    """A payment's row with the columns of its token as a row of their own, `token`: None where it has none."""
    token = {name: row[f"token_{name}"] for name in TOKEN} if row["token_network"] is not None else None
    return {name: row[name] for name in PAYMENT} | {"token": token}


def find_payment(*, tenant_id: UUID, payment_id: UUID) -> RowDict | None:
    """The payment of a 402 with its token."""
    found = _payment_of_challenge(tenant_id=tenant_id, payment_id=payment_id)
    return _with_token(found[0]) if found and found[0]["token_network"] is not None else None


@prepared
def _payment_of_challenge(*, tenant_id: Any, payment_id: Any) -> "QuerySet[Any, Any]":
    found = Payment.objects.filter(tenant_id=tenant_id, id=payment_id, kind=PaymentKind.X402)
    return found.order_by().values(*PAYMENT, **TOKEN_COLUMNS)


def get_payment(*, tenant_id: UUID, transaction_id: UUID, payment_id: UUID) -> RowDict:
    """A payment of this transaction. Raises NotFound."""
    found = _payment_of(tenant_id=tenant_id, transaction_id=transaction_id, payment_id=payment_id)
    if not found:
        raise NotFound(kind="payment", id=payment_id)
    return _with_token(found[0])


@prepared
def _payment_of(*, tenant_id: Any, transaction_id: Any, payment_id: Any) -> "QuerySet[Any, Any]":
    found = Payment.objects.filter(tenant_id=tenant_id, transaction_id=transaction_id, id=payment_id)
    return found.order_by().values(*PAYMENT, **TOKEN_COLUMNS)


def payment_after_call(payment: RowDict, *, kind: str, idempotency_key: str | None) -> RowDict:
    """A payment as it was after a call that captured, extended or released it, whatever became of it since. Without a key: after the one
    that ended it."""
    keys = {"tenant_id": payment["tenant_id"], "payment_id": payment["id"], "kind": kind}
    found = _calls(**keys, idempotency_key=idempotency_key)
    if not found:
        # No call ended the payment: it ended with its transaction.
        return payment
    call = found[0]
    return payment | {
        "status": _status_after(payment, call),
        "captured": call["captured_after"],
        "unpaid": Decimal(0),
        "hold_expires_at": call["expires_at"],
        "updated_at": call["created_at"],
        "closed_at": call["created_at"] if call["is_final"] else None,
    }


@prepared
def _calls(*, tenant_id: Any, payment_id: Any, kind: Any, idempotency_key: Any) -> "QuerySet[Any, Any]":
    which: dict[str, Any] = {"is_final": True} if idempotency_key is None else {"idempotency_key": idempotency_key}
    found = PaymentCall.objects.filter(tenant_id=tenant_id, payment_id=payment_id, kind=kind, **which)
    return found.values("captured_after", "expires_at", "created_at", "is_final")


def _status_after(payment: RowDict, call: RowDict) -> str:
    if call["is_final"]:
        return PaymentStatus.CAPTURED if call["captured_after"] else PaymentStatus.RELEASED
    presented_at = payment["token"] and payment["token"]["presented_at"]
    return PaymentStatus.PRESENTED if presented_at and presented_at <= call["created_at"] else PaymentStatus.AUTHORIZED


def with_payload(transaction: RowDict) -> RowDict:
    """A transaction whose payment, while it can be collected, says what to send to the resource: `authorization_payload`, a JSON text.

    For replies about this one transaction to its own tenant only: who has the payload can collect the payment.
    """
    payment = transaction["payment"]
    if payment is None or payment["token"] is None or payment["status"] not in OPEN_STATUSES:
        return transaction
    try:
        payload = tokens.authorization_payload(payment)
    except CantSign:
        payload = None
    text = None if payload is None else tokens.payload_text(payload)
    return transaction | {"payment": payment | {"authorization_payload": text}}


def list_refusals(*, tenant_id: UUID, payments: Sequence[tuple[str, str, str, str, str]]) -> list[str | None]:
    """Why the tenant's settings refuse each of these payments, or None; one query. A payment: payer, network, payTo, amount, currency."""
    if not payments:
        return []
    statement = """
        SELECT paying_refuse_payer(%s, asked.payer, asked.network, asked.pay_to, asked.amount, asked.currency) AS why
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::numeric[], %s::text[])
            WITH ORDINALITY AS asked (payer, network, pay_to, amount, currency, ordinal)
        ORDER BY asked.ordinal
    """
    return [row.why for row in queries.fetch_rows(statement, (tenant_id, *map(list, zip(*payments, strict=True))))]


def get_payer_setting(*, tenant_id: UUID, payer: str) -> PayerSetting | None:
    """What is set for a payer of the tenant's; None: nothing, so that the defaults hold."""
    return PayerSetting.objects.filter(tenant_id=tenant_id, payer=payer).first()


def is_payee(*, tenant_id: UUID, pay_to: str) -> bool:
    """Whether the tenant is paid under this name."""
    return bool(_payees(tenant_id=tenant_id, pay_to=pay_to))


@prepared
def _payees(*, tenant_id: Any, pay_to: Any) -> "QuerySet[Any, Any]":
    return Payee.objects.filter(tenant_id=tenant_id, pay_to=pay_to).order_by().values("id")


def list_collections(*, payee_tenant_id: UUID) -> "QuerySet[Any, Any]":
    """What a tenant has collected, for pages by (created_at, id)."""
    found: QuerySet[Any, Any] = Collection.objects.filter(payee_tenant_id=payee_tenant_id).values(*COLLECTION)
    return found


def list_due_collections(*, after: RowDict | None, limit: int) -> list[RowDict]:
    """What isn't in the wallet of its payee yet, the oldest first, beyond `after`."""
    found = Collection.objects.filter(posted_at__isnull=True)
    if after is not None:
        found = found.filter(Q(created_at__gt=after["created_at"]) | Q(created_at=after["created_at"], id__gt=after["id"]))
    return list(found.order_by("created_at", "id").values(*COLLECTION, "payee_tenant_id")[:limit])


def list_overdue_payments(*, tenant_id: UUID | None = None, limit: int) -> list[RowDict]:
    """Open payments whose money is held no longer, by the database's clock: id and tenant_id, the longest overdue first."""
    conditions = Q(status__in=OPEN_STATUSES, hold_expires_at__lte=Func(function="ledger_now", output_field=DateTimeField()))
    if tenant_id is not None:
        conditions &= Q(tenant_id=tenant_id)
    return list(Payment.objects.filter(conditions).order_by("hold_expires_at").values("id", "tenant_id")[:limit])
