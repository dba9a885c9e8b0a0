"""The rows of the posting functions where something was posted. A service returns one as the `row` of a Posted.

A test compares the names with the columns of the SQL functions. Columns that only a refused posting fills are left out here:
posting_errors.py reads them.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from kernel.ledger.outcomes import OutcomeRow


class TransactionRow(OutcomeRow, Protocol):
    """Of credits_post: the transaction. A closing that found nothing to do has no `id` and no `amount`."""

    id: UUID
    grant_id: UUID
    customer_id: str
    type: str
    kind: str
    # Units of the grant.
    amount: Decimal
    reason: str
    invoice_id: str
    billing_run_id: str
    occurred_at: datetime
    created_at: datetime
    entry_number: int
    balance_after: Decimal
    cost_basis: Decimal | None
    reverses_id: UUID | None
    consumption_id: UUID | None
    hold_id: UUID | None
    actor: str
    request_id: str


class GrantRow(OutcomeRow, Protocol):
    """Of credits_create_grants: the grant as it was when it was created."""

    id: UUID
    customer_id: str
    name: str
    unit_type: str
    currency: str
    metric_id: str
    category: str
    priority: int
    original_amount: Decimal
    cost_of_credit: Decimal | None
    effective_date: date
    expiry_date: date | None
    balance: Decimal
    held: Decimal
    status: str
    created_at: datetime


class ReinstatementRow(OutcomeRow, Protocol):
    """Of credits_reinstate: one of the transactions that gave back what an invoice took."""

    id: UUID
    grant_id: UUID
    type: str
    kind: str
    amount: Decimal
    reason: str
    invoice_id: str
    entry_number: int
    balance_after: Decimal
    cost_basis: Decimal | None
    occurred_at: datetime
    created_at: datetime


class PlacedHoldRow(OutcomeRow, Protocol):
    """Of credits_place_hold."""

    id: UUID


class EndedHoldRow(OutcomeRow, Protocol):
    """Of credits_capture_or_end_hold: the hold after it. `captured`: what all captures took; `taken`: what this one took."""

    id: UUID
    status: str
    held: Decimal
    amount: Decimal
    captured: Decimal
    taken: Decimal | None


class ExtendedHoldRow(OutcomeRow, Protocol):
    """Of credits_extend_hold: the hold after it."""

    id: UUID
    status: str
    held: Decimal
    expires_at: datetime
