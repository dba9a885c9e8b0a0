"""The columns that grants and recurring grants share: the customer and the unit."""

from credits.choices import UnitType
from kernel.backfills.reading.columns import Column, currency, one_of, text
from kernel.backfills.row_outcomes import ID_COLUMNS

CREDIT_OF_A_CUSTOMER = (
    *ID_COLUMNS,
    Column("customer_id", text(at_most=255), required=True, help="whose credit it is"),
    Column("name", text(at_most=255), required=True, help="for people"),
    Column("unit_type", one_of(*UnitType.values), required=True, help="CURRENCY or METRIC"),
    Column("currency", currency, help="ISO 4217 (default: the tenant's)"),
    Column("metric_id", text(at_most=255), help="of a METRIC grant: which metric"),
)
