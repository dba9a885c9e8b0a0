"""Reads of payments. Functions take `tenant_id` by keyword; another tenant's payment is not found."""

from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, Func, Q

from metering.paying.choices import OPEN_STATUSES
from metering.paying.models import Payment, PaymentLeg

# A dictionary, as a queryset's `values()` has it.
Row = Any

LEG = ("kind", "hold_id", "entry_id", "amount", "captured")
PAYMENT = ("id", "transaction_id", "kind", "status", "customer_id", "currency", "amount", "captured", "unpaid", "hold_expires_at")


def list_payments(*, tenant_id: UUID, transaction_id: UUID) -> list[Row]:
    """Every payment of a transaction with its parts, oldest first; two queries."""
    found: list[Row] = list(
        Payment.objects.filter(tenant_id=tenant_id, transaction_id=transaction_id)
        .order_by("created_at", "id")
        .values(*PAYMENT, "created_at", "updated_at", "closed_at")
    )
    legs: dict[UUID, list[Row]] = {payment["id"]: [] for payment in found}
    if legs:
        parts = PaymentLeg.objects.filter(tenant_id=tenant_id, payment_id__in=list(legs)).order_by("payment_id", "place")
        for part in parts.values("payment_id", *LEG):
            legs[part["payment_id"]].append(part)
    return [payment | {"legs": legs[payment["id"]]} for payment in found]


def list_overdue_payments(*, tenant_id: UUID | None = None, limit: int) -> list[Row]:
    """Open payments whose money is held no longer, by the database's clock: id and tenant_id, the longest overdue first."""
    conditions = Q(status__in=OPEN_STATUSES, hold_expires_at__lte=Func(function="paying_now", output_field=DateTimeField()))
    if tenant_id is not None:
        conditions &= Q(tenant_id=tenant_id)
    return list(Payment.objects.filter(conditions).order_by("hold_expires_at").values("id", "tenant_id")[:limit])
