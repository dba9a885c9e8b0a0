"""A customer's statement for a period, over all grants: what each unit opened with, every entry, what it closed with.

For each unit, opening + entries = closing. The clock says by which time an entry belongs to the period, as in a wallet's statement
(billing/selectors/statements.py).
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Case, F, QuerySet, Sum, When

from credits.choices import GrantStatus, UnitType
from credits.models import CreditTransaction
from credits.selectors.database_now import TODAY, database_now
from credits.selectors.effects import EFFECT
from kernel.ledger.clocks import CLOCK_FIELDS, Clock
from kernel.ledger.exports.formula_escaping import BYTE_ORDER_MARK, escape_formula
from kernel.ledger.money import trimmed_digits
from kernel.tenants.models import Tenant

# Entries fetched at a time.
CHUNK = 2000
UNIT = Case(When(grant__unit_type=UnitType.METRIC, then=F("grant__metric_id")), default=F("grant__currency"))


@dataclass(frozen=True)
class CustomerStatement:
    """A period without its entries, which are read when they are asked for. Amounts are by unit: a currency, or the id of a metric."""

    tenant_id: UUID
    customer_id: str
    clock: str
    opening: Mapping[str, Decimal]
    moved: Mapping[str, Decimal]
    # Of the closing balance: what is left of grants whose last day is over, and which the daily job has not expired yet.
    due: Mapping[str, Decimal]
    queryset: QuerySet[Any]

    @cached_property
    def tenant(self) -> Tenant:
        return Tenant.objects.get(pk=self.tenant_id)

    @property
    def time(self) -> str:
        """The name of the time that counts."""
        return CLOCK_FIELDS[self.clock]

    def entries(self, most: int | None = None) -> Iterator[tuple[Any, Decimal]]:
        """The entries in the order of their time, at most so many, each with the running balance of its unit."""
        balances = dict(self.opening)
        for row in self.queryset[:most].iterator(chunk_size=CHUNK):
            balances[row.unit] = balances.get(row.unit, Decimal(0)) + row.effect
            yield row, balances[row.unit]

    def units(self) -> Iterator[tuple[str, Decimal, Decimal]]:
        """Each unit with its opening balance and what was moved."""
        for unit in sorted({*self.opening, *self.moved}):
            yield unit, self.opening.get(unit, Decimal(0)), self.moved.get(unit, Decimal(0))


def get_statement(*, tenant_id: UUID, customer_id: str, since: datetime, until: datetime, clock: str = Clock.BOOK) -> CustomerStatement:
    """The statement of a customer; of one who has no grants, one without units. `until` is not part of the period."""
    time = CLOCK_FIELDS[clock]
    rows = CreditTransaction.objects.filter(tenant_id=tenant_id, customer_id=customer_id).annotate(unit=UNIT, effect=EFFECT)
    period = rows.filter(**{f"{time}__gte": since, f"{time}__lt": until})
    over = rows.filter(grant__status=GrantStatus.OPEN, grant__expiry_date__lt=TODAY)
    return CustomerStatement(
        tenant_id=tenant_id,
        customer_id=customer_id,
        clock=clock,
        opening=_sums(rows.filter(**{f"{time}__lt": since})),
        moved=_sums(period),
        # Only where the period reaches the present: an expiry is an entry of its own once it is written.
        due=_sums(over) if until > database_now() else {},
        queryset=period.select_related("grant").order_by(time, "id"),
    )


def _sums(rows: QuerySet[Any]) -> Mapping[str, Decimal]:
    return dict(rows.order_by().values_list("unit").annotate(total=Sum("effect")))


def csv_text(statement: CustomerStatement) -> Iterator[str]:
    """The statement as CSV, a line at a time: one for the opening balance of each unit, one for each entry, one for each closing balance.

    Begins with a byte order mark. Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    # In every line: files of several customers are put together.
    whose = [escape_formula(statement.tenant.name), escape_formula(statement.customer_id)]
    yield BYTE_ORDER_MARK + _line("tenant", "customer", "unit", "when", "kind", "grant", "invoice", "change", "balance", "id")
    for unit, before, _ in statement.units():
        yield _line(*whose, unit, "", "opening_balance", "", "", "", trimmed_digits(before), "")
    for row, balance in statement.entries():
        when = getattr(row, statement.time).astimezone(UTC).isoformat()
        texts = [row.unit, when, row.kind, escape_formula(row.grant.name), escape_formula(row.invoice_id)]
        yield _line(*whose, *texts, trimmed_digits(row.effect), trimmed_digits(balance), str(row.pk))
    for unit, before, change in statement.units():
        yield _line(*whose, unit, "", "closing_balance", "", "", "", trimmed_digits(before + change), "")


def _line(*values: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue()
