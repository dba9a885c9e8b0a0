"""What the services of transactions return as the `row` of a Posted, beside a whole transaction or cost (metering.selectors.RowDict).

A test compares the names of the rows of posting functions with the columns of the SQL functions.
"""

from datetime import datetime
from typing import NotRequired, Protocol, TypedDict
from uuid import UUID

from kernel.ledger.outcomes import OutcomeRow
from metering.selectors import RowDict


class AmendmentRow(OutcomeRow, Protocol):
    """Of metering_amend: the status that the transaction has now, and what was written."""

    status: str
    created_at: datetime
    change_id: UUID | None
    fact_id: UUID | None
    cost_id: UUID | None
    pricing: str | None
    pricing_note: str | None
    # The text of a JSON object.
    pricing_fields: str | None
    occurred_at: datetime


class ReauthorizationRow(OutcomeRow, Protocol):
    """Of metering_reauthorize: the status that the transaction has now."""

    id: UUID
    status: str


class ImportedRow(OutcomeRow, Protocol):
    """Of metering_post: whether an imported transaction was new."""


class CostRow(TypedDict):
    """A cost that was added. `id` and `status` are the transaction's; `cost` is there with full rows only."""

    id: UUID
    status: str
    cost_id: UUID
    cost: RowDict | None


class AdditionRow(TypedDict):
    """A report that was recorded, or a transaction that was completed, perhaps with one. `id` and `status` are the transaction's.

    `pricing`: how the report's pricing went; `superseded`: with full rows, the costs that its cost replaced, with id and fiat_amount;
    `reported_at`: when the usage occurred; `transaction`: of a completion with full rows, the whole transaction as it is now.
    """

    id: UUID
    status: str
    fact_id: UUID | None
    cost_id: UUID | None
    pricing: RowDict | None
    superseded: list[RowDict] | None
    reported_at: datetime | None
    transaction: NotRequired[RowDict]
