"""The rows of the posting functions where something was posted. A service returns one as the `row` of a Posted.

A test compares the names with the columns of the SQL functions. Columns that only a refused posting fills are left out here:
posting_errors.py reads them.
"""

from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from kernel.ledger.outcomes import OutcomeRow


class TransactionRow(OutcomeRow, Protocol):
    """Of billing_post: the entry."""

    id: UUID
    tenant_id: UUID
    wallet_id: UUID
    currency: str
    entry_number: int
    type: str
    direction: str
    # A magnitude; `effect` has the sign.
    amount: Decimal
    effect: Decimal
    balance_after: Decimal
    reference_id: str
    agent_id: str | None
    description: str | None
    # The text of a JSON object.
    metadata: str | None
    occurred_at: datetime
    created_at: datetime
    reverses_id: UUID | None
    reason_code: str | None
    reason: str | None
    reversed_amount: Decimal
    reversed_by_id: UUID | None
    flags: list[str]
    near_duplicate_of_id: UUID | None
    actor: str


class PlacedHoldRow(OutcomeRow, Protocol):
    """Of billing_place_hold: the hold's id, and its wallet after it."""

    id: UUID
    wallet_id: UUID
    currency: str
    balance: Decimal
    held: Decimal
    floor: Decimal | None


class EndedHoldRow(OutcomeRow, Protocol):
    """Of billing_capture_or_end_hold: the hold after it, which a capture that isn't final leaves open.

    `captured`: what all captures took; `taken`: what this one took.
    """

    id: UUID
    status: str
    amount: Decimal
    held: Decimal
    captured: Decimal
    taken: Decimal | None
    # The debit of a capture.
    transaction_id: UUID | None


class ExtendedHoldRow(OutcomeRow, Protocol):
    """Of billing_extend_hold: the hold after it."""

    id: UUID
    status: str
    held: Decimal
    expires_at: datetime
