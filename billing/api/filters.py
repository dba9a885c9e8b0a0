"""The query parameters of the billing API."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from billing.api.dialect import dialect
from billing.selectors import FILTERS
from kernel.api.amounts import AmountNumber
from kernel.api.fields import Choice, Currency, Text, Timestamp
from kernel.api.problems import Refused
from kernel.api.query_fields import PageLimit
from kernel.api.serializers import Query
from kernel.ledger.clocks import Clock
from kernel.ledger.holds import HoldStatus

FROM = "This moment and later; a bare day means its first moment in UTC."
TO = "Before this moment; a bare day means its first moment in UTC, so the day itself is left out."


class TransactionQuery(Query):
    """Moments are RFC 3339, or a day, which means its first moment in UTC. Periods include their start and not their end."""

    dialect = dialect
    type = Text(required=False)
    reference_id = Text(required=False)
    agent_id = Text(required=False)
    currency = Currency(required=False)
    amount_min = AmountNumber(required=False)
    amount_max = AmountNumber(required=False)
    created_from = Timestamp(days=True, required=False, description=FROM)
    created_to = Timestamp(days=True, required=False, description=TO)
    occurred_from = Timestamp(days=True, required=False, description=FROM)
    occurred_to = Timestamp(days=True, required=False, description=TO)
    limit = PageLimit()
    cursor = Text(required=False, description="The next_cursor of the page before.")


# A filter that only one of the two knows would be read and then fail, or never be sent.
if _unmatched := {member.name for member in TransactionQuery.declared_fields} ^ {*FILTERS, "limit", "cursor"}:
    raise ImproperlyConfigured(f"TransactionQuery and FILTERS of billing/selectors/transactions.py differ in {sorted(_unmatched)}.")


class WalletQuery(Query):
    dialect = dialect
    currency = Currency(required=False, description="The currency of `balance`; default: the tenant's own.")
    as_of = Timestamp(
        days=True,
        required=False,
        description="The balances at this moment, entries at it included; a bare day means its first moment.",
    )
    clock = Choice(
        Clock.values,
        required=False,
        default=str(Clock.BOOK),
        wire_name="basis",
        description="Whether `as_of` means when entries were booked (book) or when they happened (world).",
    )


class StatementQuery(Query):
    dialect = dialect
    currency = Currency(required=False)
    since = Timestamp(
        days=True,
        required=False,
        wire_name="from",
        description="The period's first moment; a bare day means its first moment in UTC. Default: the first moment of the month that the "
        "period ends in.",
    )
    until = Timestamp(
        days=True,
        required=False,
        wire_name="to",
        description="The period ends before this moment; a bare day means its first moment in UTC, so the day itself is left out: "
        "`to=2026-11-01` ends with October. Default: now.",
    )
    clock = Choice(
        Clock.values,
        required=False,
        default=str(Clock.BOOK),
        wire_name="basis",
        description="Whether an entry belongs to the period in which it was booked (book) or happened (world).",
    )
    format = Choice(("json", "csv", "html"), required=False, description="Overrides the Accept header.")

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["since"] is not None and values["since"] > (values["until"] or datetime.now(UTC)):
            raise Refused("before_start", field="until")
        return values


class HoldQuery(Query):
    dialect = dialect
    status = Choice(HoldStatus.values, required=False, description="An overdue hold counts as expired.")
    currency = Currency(required=False)
    reference_id = Text(required=False)
    limit = PageLimit()
    cursor = Text(required=False, description="The next_cursor of the page before.")


class AgentQuery(Query):
    dialect = dialect
    created_from = Timestamp(days=True, required=False, description=FROM)
    created_to = Timestamp(days=True, required=False, description=TO)
